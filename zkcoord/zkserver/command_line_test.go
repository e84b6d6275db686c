package zkserver

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"ottla/integration/apache"
)

// What a person types into ZooKeeper's own command line.
const typed = `create /orders one
create -e /orders/mine
create -s /orders/n- x
create -s -e /orders/n- y
ls /orders
ls -R /orders
get -s /orders
set -v 0 /orders two
set -v 0 /orders three
get /orders
stat /orders
getAcl /orders
addauth digest me:secret
create /hidden z auth::cdrwa
getAcl /hidden
getEphemerals
deleteall /orders
delete /hidden
delete /hidden
ls /orders
create /no/parent x
ls /zookeeper
quit
`

// volatile are the parts of what it prints that differ from run to run.
var volatile = regexp.MustCompile(`0x[0-9a-f]+|(?m)^([cm]time = ).*$|(?m)^.*(Welcome|JLine|Connecting to|WATCHER|WatchedEvent|Exiting JVM|log4j|SLF4J|logback|WARN|INFO).*$`)

func TestZooKeepersCommandLine(t *testing.T) {
	installation := apache.Require(t)
	said := func(addr string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		r := installation.RunTool(ctx, strings.NewReader(typed), "org.apache.zookeeper.ZooKeeperMain", "-server", addr)
		if r.Err != nil {
			t.Fatalf("%v\n%s%s", r.Err, r.Stdout, r.Stderr)
		}
		return volatile.ReplaceAllString(r.Stdout, "$1") + "\n---- standard error\n" + volatile.ReplaceAllString(r.Stderr, "$1")
	}
	want := said(apache.StartZooKeeper(t).Addr)
	if !strings.Contains(want, "Created /orders/n-0000000001") {
		t.Fatalf("ZooKeeper's command line said to ZooKeeper itself:\n%s", want)
	}
	if got := said(start(t, Options{}).Addr()); got != want {
		t.Errorf("to us it says\n%s\nto ZooKeeper\n%s", got, want)
	}
}
