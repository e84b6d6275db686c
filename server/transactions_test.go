package server

import (
	"fmt"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/server/config"
	"ottla/server/peer"
	"ottla/server/txn"
	"ottla/zkcoord/cluster"
)

// heard is what a question was answered.
type heard struct {
	codes []int16
	times int
}

func question(id string, h *heard, topics ...string) verifyQuestion {
	q := verifyQuestion{producer: txn.Producer{TransactionalID: id}, done: func(codes []int16) { h.codes, h.times = codes, h.times+1 }}
	for _, topic := range topics {
		q.asked = append(q.asked, cluster.TopicPartition{Topic: topic})
	}
	return q
}

// An answer tells transactions apart by their ids alone, so that of two questions about one id the second has to wait.
func TestARequestAsksOnceAboutATransaction(t *testing.T) {
	var h heard
	queue := &verifyQueue{}
	for _, q := range []string{"one orders", "two orders", "one bills", "one carts", "two bills"} {
		var id, topic string
		if _, err := fmt.Sscan(q, &id, &topic); err != nil {
			t.Fatal(err)
		}
		queue.waiting = append(queue.waiting, question(id, &h, topic))
	}
	var requests []string
	for len(queue.waiting) > 0 {
		var of []string
		for _, q := range take(queue) {
			of = append(of, q.producer.TransactionalID+" "+q.asked[0].Topic)
		}
		requests = append(requests, fmt.Sprint(of))
	}
	if want := []string{"[one orders two orders]", "[one bills two bills]", "[one carts]"}; !slices.Equal(requests, want) {
		t.Errorf("asked %v, want %v", requests, want)
	}
}

// Each question is answered once, whatever the coordinator leaves out.
func TestVerdictsFindTheirQuestions(t *testing.T) {
	resp := kmsg.NewPtrAddPartitionsToTxnResponse()
	verdict := func(id, topic string, code int16) {
		resp.Transactions = append(resp.Transactions, kmsg.AddPartitionsToTxnResponseTransaction{TransactionalID: id,
			Topics: []kmsg.AddPartitionsToTxnResponseTransactionTopic{{Topic: topic,
				Partitions: []kmsg.AddPartitionsToTxnResponseTransactionTopicPartition{{ErrorCode: code}}}}})
	}
	verdict("two", "orders", kerr.TransactionAbortable.Code)
	verdict("one", "orders", 0)
	verdict("never asked", "orders", 0)
	var one, two, three heard
	v := &txnVerifier{}
	v.tell([]verifyQuestion{question("one", &one, "bills", "orders"), question("two", &two, "orders"), question("three", &three, "orders")}, resp)
	unknown := kerr.UnknownServerError.Code
	for _, tc := range []struct {
		name string
		got  heard
		want []int16
	}{
		{"a partition that was not answered", one, []int16{unknown, 0}},
		{"one that was", two, []int16{kerr.TransactionAbortable.Code}},
		{"a transaction that was not answered", three, []int16{unknown}},
	} {
		if !slices.Equal(tc.got.codes, tc.want) || tc.got.times != 1 {
			t.Errorf("%s: %v, %d times; want %v", tc.name, tc.got.codes, tc.got.times, tc.want)
		}
	}
	v.refuse([]verifyQuestion{question("one", &one, "bills", "orders")}, kerr.NetworkException.Code)
	if want := []int16{kerr.NetworkException.Code, kerr.NetworkException.Code}; !slices.Equal(one.codes, want) {
		t.Errorf("without an answer: %v, want %v", one.codes, want)
	}
}

// A coordinator of before 3.5 knows of no verification. As long as it lasts, brokers that are newer take transactions unverified, as all
// did then; refused, producers of the whole cluster would stand still while it is rolled.
func TestAnOldCoordinatorIsNotAskedToVerify(t *testing.T) {
	coordinator := &oldController{t: t, newest: 3}
	peers := peer.New(peer.Options{Dial: coordinator.dial})
	defer peers.Close()
	settings, err := config.Parse(map[string]string{"zookeeper.connect": "there:2181"}, quietLog())
	if err != nil {
		t.Fatal(err)
	}
	v := &txnVerifier{b: New(settings, WithLogger(quietLog())), peers: peers, metrics: newVerifyMetrics(prometheus.NewRegistry())}
	var one heard
	v.ask(cluster.Endpoint{Host: "there", Port: 9092}, []verifyQuestion{question("one", &one, "bills", "orders")})
	if !slices.Equal(one.codes, []int16{0, 0}) || one.times != 1 {
		t.Errorf("%v, %d times; want no error", one.codes, one.times)
	}
}
