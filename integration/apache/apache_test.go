package apache

import (
	"strings"
	"testing"
)

func TestABrokerItsZooKeeperAndATool(t *testing.T) {
	zk := StartZooKeeper(t)
	broker := StartBroker(t, BrokerOptions{ID: 1, ZooKeeper: zk.Addr + "/judge"})
	Tool(t, TopicCommand, "--bootstrap-server", broker.Addr, "--create", "--topic", "orders", "--partitions", "3")
	ToolWithInput(t, strings.NewReader("one\ntwo\n"), ConsoleProducer, "--bootstrap-server", broker.Addr, "--topic", "orders")
	got := Tool(t, ConsoleConsumer, "--bootstrap-server", broker.Addr, "--topic", "orders", "--from-beginning", "--max-messages", "2")
	if !strings.Contains(got, "one") || !strings.Contains(got, "two") {
		t.Errorf("consumed %q", got)
	}
	if err := broker.Stop(); err != nil {
		t.Error(err)
	}
	if answer, err := zk.Command("srvr"); err != nil || !strings.Contains(answer, "Zookeeper version: 3.8.4") {
		t.Errorf("srvr: %v, %q", err, answer)
	}
}
