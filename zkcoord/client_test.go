package zkcoord

import (
	"context"
	"errors"
	"fmt"
	"net"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"

	"ottla/zkcoord/cluster"
	"ottla/zkcoord/zkserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func quietLog() logrus.FieldLogger {
	log := logrus.New()
	log.SetLevel(logrus.PanicLevel)
	return log
}

// zooKeeper runs a server in memory until the test ends.
func zooKeeper(t testing.TB) *zkserver.Server {
	t.Helper()
	s, err := zkserver.Start(zkserver.Options{MinSession: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func connect(t testing.TB, o Options) *Client {
	t.Helper()
	if o.Log == nil {
		o.Log = quietLog()
	}
	c, err := Connect(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// soon is a context that fails the test rather than hang it.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func receive[T any](t testing.TB, what string, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(20 * time.Second):
		t.Fatalf("no %s within 20 s", what)
		panic("unreachable")
	}
}

func TestConnectString(t *testing.T) {
	for text, want := range map[string]struct {
		hosts  []string
		chroot string
	}{
		"h":                 {[]string{"h:2181"}, ""},
		"a:1,b:2/kafka/x/":  {[]string{"a:1", "b:2"}, "/kafka/x"},
		" a:1 , b ":         {[]string{"a:1", "b:2181"}, ""},
		"[::1]:2181,[::2]/": {[]string{"[::1]:2181", "[::2]:2181"}, ""},
	} {
		hosts, chroot, err := parseConnect(text)
		if err != nil || !reflect.DeepEqual(hosts, want.hosts) || chroot != want.chroot {
			t.Errorf("%q: %v %q %v", text, hosts, chroot, err)
		}
	}
	for _, bad := range []string{"", ",", "/kafka", "h/a//b"} {
		if _, _, err := parseConnect(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestConnectFailsWhereNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	l.Close()
	_, err = Connect(t.Context(), Options{Connect: l.Addr().String(), ConnectionTimeout: 300 * time.Millisecond, Log: quietLog()})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestChroot(t *testing.T) {
	s := zooKeeper(t)
	inside := connect(t, Options{Connect: s.Addr() + "/deep/kafka"})
	check(t, inside.EnsurePaths(soon(t)))
	outside := connect(t, Options{Connect: s.Addr()})
	if _, err := outside.children(soon(t), "/deep/kafka/brokers/ids"); err != nil {
		t.Error(err)
	}
	changed := make(chan struct{}, 10)
	inside.WatchTopics(func() { changed <- struct{}{} })
	if topics, err := inside.Topics(soon(t)); err != nil || len(topics) != 0 {
		t.Errorf("%v, %v", topics, err)
	}
	check(t, inside.CreateTopic(soon(t), "orders", [][]cluster.BrokerID{{1}}, nil, NewTopicID()))
	receive(t, "change", changed)
}

func TestLostRepliesAreRecognised(t *testing.T) {
	s := zooKeeper(t)
	c := connect(t, Options{Connect: s.Addr()})
	check(t, c.EnsurePaths(soon(t)))
	lose := func() { s.LoseReplies(c.SessionID(), 1) }

	lose()
	if _, err := c.create(soon(t), "/a", []byte("x"), persistent); err != nil {
		t.Error("create:", err)
	}
	lose()
	if v, err := c.set(soon(t), "/a", []byte("y"), 0); err != nil || v != 1 {
		t.Error("set:", v, err)
	}
	lose()
	if err := c.remove(soon(t), "/a", anyVersion); err != nil {
		t.Error("remove:", err)
	}
	lose()
	epoch, err := c.RegisterBroker(soon(t), Registration{BrokerInfo: BrokerInfo{Broker: cluster.Broker{ID: 1}}})
	if err != nil || epoch == 0 {
		t.Error("register:", epoch, err)
	}
	// The answer that is lost is the election's, not that of creating the epoch.
	check(t, c.ensure(soon(t), controllerEpochPath, encodeNumber(0)))
	lose()
	reign, err := c.ElectController(soon(t), 1)
	if err != nil || reign != (Reign{1, 1}) {
		t.Error("election:", reign, err)
	}
	check(t, c.CreateTopic(soon(t), "t", [][]cluster.BrokerID{{1}, {1}}, nil, NewTopicID()))
	check(t, c.createParents(soon(t), reign, []cluster.TopicPartition{{Topic: "t"}}))
	lose()
	states := map[cluster.TopicPartition]cluster.LeaderAndISR{
		{Topic: "t", Partition: 0}: {Leader: 1, ISR: ids(1)}, {Topic: "t", Partition: 1}: {Leader: 1, ISR: ids(1)},
	}
	for _, attempt := range []string{"create", "write"} {
		lose()
		done, err := c.CreateStates(soon(t), reign, states)
		if attempt == "write" {
			lose()
			done, err = c.WriteStates(soon(t), reign, states)
		}
		check(t, err)
		for tp, r := range done {
			if r.Err != nil {
				t.Error(attempt, tp, r.Err)
			}
		}
	}
}

func TestFencedWrites(t *testing.T) {
	s := zooKeeper(t)
	c := connect(t, Options{Connect: s.Addr()})
	ctx := soon(t)
	check(t, c.EnsurePaths(ctx))
	reign, err := c.ElectController(ctx, 1)
	check(t, err)
	const n = 1200
	replicas := make([][]cluster.BrokerID, n)
	states := make(map[cluster.TopicPartition]cluster.LeaderAndISR)
	for p := range replicas {
		replicas[p] = ids(1)
		states[cluster.TopicPartition{Topic: "t", Partition: int32(p)}] = cluster.LeaderAndISR{Leader: 1, ISR: ids(1)}
	}
	check(t, c.CreateTopic(ctx, "t", replicas, nil, NewTopicID()))
	done, err := c.CreateStates(ctx, reign, states)
	check(t, err)
	bad := cluster.TopicPartition{Topic: "t", Partition: 777}
	gone := cluster.TopicPartition{Topic: "gone"}
	next := map[cluster.TopicPartition]cluster.LeaderAndISR{gone: {Leader: 1}}
	for tp, r := range done {
		check(t, r.Err)
		state := r.LeaderAndISR
		state.LeaderEpoch++
		if tp == bad {
			state.PartitionEpoch = 5
		}
		next[tp] = state
	}
	done, err = c.WriteStates(ctx, reign, next)
	check(t, err)
	for tp, r := range done {
		switch {
		case tp == bad:
			if !errors.Is(r.Err, ErrBadVersion) {
				t.Errorf("%v: %v", tp, r.Err)
			}
		case tp == gone:
			if !errors.Is(r.Err, ErrNoNode) {
				t.Errorf("%v: %v", tp, r.Err)
			}
		case r.Err != nil || r.PartitionEpoch != 1 || r.ControllerEpoch != 1:
			t.Fatalf("%v: %+v", tp, r)
		}
	}

	// Another controller: nothing of the old one's passes.
	other := connect(t, Options{Connect: s.Addr()})
	check(t, c.Abdicate(ctx, reign))
	second, err := other.ElectController(ctx, 2)
	if err != nil || second.Epoch != 2 {
		t.Fatal(second, err)
	}
	if _, err := c.WriteStates(ctx, reign, next); !errors.Is(err, ErrControllerMoved) {
		t.Errorf("a replaced controller's write: %v", err)
	}
	if err := c.Abdicate(ctx, reign); err != nil {
		t.Error(err)
	}
	if id, err := c.Controller(ctx); id != 2 || err != nil {
		t.Errorf("controller %v, %v", id, err)
	}
	if _, err := c.ElectController(ctx, 1); !errors.Is(err, ErrLost) {
		t.Error(err)
	}
}

func TestExpiredSessionNeverDialsAgain(t *testing.T) {
	s := zooKeeper(t)
	var dials atomic.Int32
	c := connect(t, Options{Connect: s.Addr(), Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		dials.Add(1)
		return new(net.Dialer).DialContext(ctx, network, address)
	}})
	ctx := soon(t)
	check(t, c.EnsurePaths(ctx))
	var order []string
	renewed := make(chan int64, 1)
	c.OnSession(SessionHandler{Lost: func() { order = append(order, "lost") }})
	c.OnSession(SessionHandler{
		Lost:    func() { order = append(order, "lost too") },
		Renewed: func(generation int64) { order = append(order, "renewed"); renewed <- generation },
	})
	first := c.SessionID()
	_, err := c.create(ctx, "/mine", nil, ephemeral)
	check(t, err)
	pinned := c.Within(c.Generation())

	if !s.ExpireSession(first) {
		t.Fatal("no such session")
	}
	if generation := receive(t, "new session", renewed); generation != 2 {
		t.Errorf("generation %d", generation)
	}
	if want := []string{"lost", "lost too", "renewed"}; !reflect.DeepEqual(order, want) {
		t.Errorf("handlers: %q", order)
	}
	if n := len(s.Sessions()); n != 1 {
		t.Errorf("%d sessions at the server, want 1", n)
	}
	// One for each session, and one in which the first learned that it had expired.
	if n := dials.Load(); n != 3 {
		t.Errorf("%d dials, want 3", n)
	}
	if _, err := pinned.Topics(ctx); !errors.Is(err, ErrSessionExpired) {
		t.Errorf("a call bound to the old session: %v", err)
	}
	if _, err := c.read(ctx, "/mine"); !errors.Is(err, ErrNoNode) {
		t.Errorf("the old session's ephemeral: %v", err)
	}
	if c.SessionID() == first || !c.LeaseHolds() || pinned.LeaseHolds() {
		t.Error("the session is the old one, or its lease is")
	}
}

func TestAnOutageEndsNoSession(t *testing.T) {
	s := zooKeeper(t)
	c := connect(t, Options{Connect: s.Addr()})
	ctx := soon(t)
	check(t, c.EnsurePaths(ctx))
	changed := make(chan struct{}, 100)
	c.WatchTopics(func() { changed <- struct{}{} })
	_, err := c.Topics(ctx)
	check(t, err)
	before := c.SessionID()
	s.SetDown(true)
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if _, err := c.Topics(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a call during an outage: %v", err)
	}
	s.SetDown(false)
	_, err = c.Topics(ctx)
	check(t, err)
	receive(t, "call of the watch after the reconnect", changed)
	if c.SessionID() != before || c.Generation() != 1 {
		t.Error("another session")
	}
}

func TestTheLeaseEndsWithoutAnAnswer(t *testing.T) {
	s := zooKeeper(t)
	c := connect(t, Options{Connect: s.Addr(), SessionTimeout: time.Second})
	if c.SessionTimeout() != time.Second {
		t.Fatalf("granted %v", c.SessionTimeout())
	}
	if !c.LeaseHolds() {
		t.Error("no lease in a fresh session")
	}
	s.Freeze()
	for deadline := time.Now().Add(10 * time.Second); c.LeaseHolds(); {
		if time.Now().After(deadline) {
			t.Fatal("the lease holds although nobody answers")
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.Thaw()
	for deadline := time.Now().Add(10 * time.Second); !c.LeaseHolds(); {
		if time.Now().After(deadline) {
			t.Fatal("no lease although the server answers")
		}
		time.Sleep(10 * time.Millisecond)
	}
	if c.Generation() != 1 {
		t.Error("another session")
	}
}

func TestRegistration(t *testing.T) {
	s := zooKeeper(t)
	ctx := soon(t)
	a := connect(t, Options{Connect: s.Addr(), SessionTimeout: time.Minute})
	check(t, a.EnsurePaths(ctx))
	info := BrokerInfo{Broker: cluster.Broker{ID: 7, Rack: "r", Endpoints: []cluster.Endpoint{
		{Listener: "PLAINTEXT", Protocol: "PLAINTEXT", Host: "127.0.0.1", Port: 9092},
	}}, JMXPort: -1, Timestamp: 1}
	epoch, err := a.RegisterBroker(ctx, Registration{BrokerInfo: info})
	check(t, err)
	brokers, err := a.Brokers(ctx)
	check(t, err)
	want := info.Broker
	want.Epoch = epoch
	if !reflect.DeepEqual(brokers, map[cluster.BrokerID]cluster.Broker{7: want}) {
		t.Errorf("%+v, want %+v", brokers, want)
	}
	if others, err := a.KafkaBrokers(ctx); err != nil || len(others) != 0 {
		t.Errorf("counts as Kafka: %v, %v", others, err)
	}
	reign, err := a.ElectController(ctx, 7)
	check(t, err)
	previous := a.SessionID()
	a.Abandon()

	// The same data directory comes back: what it left behind is replaced, its claim included.
	b := connect(t, Options{Connect: s.Addr()})
	second, err := b.RegisterBroker(ctx, Registration{BrokerInfo: info, PreviousSession: previous})
	if err != nil || second <= epoch {
		t.Errorf("epoch %d after %d, %v", second, epoch, err)
	}
	if id, err := b.Controller(ctx); id != cluster.NoBroker || err != nil {
		t.Errorf("controller %v, %v", id, err)
	}
	if _, err := b.WriteStates(ctx, reign, nil); err != nil {
		t.Error(err)
	}
	// A stranger waits, and gives up.
	c := connect(t, Options{Connect: s.Addr()})
	started := time.Now()
	stranger := Registration{BrokerInfo: info, PreviousSession: 12345, Patience: 100 * time.Millisecond}
	if _, err := c.RegisterBroker(ctx, stranger); !errors.Is(err, ErrBrokerIDTaken) {
		t.Errorf("after %v: %v", time.Since(started), err)
	}
	// Unless the other goes meanwhile.
	result := make(chan error, 1)
	go func() {
		_, err := c.RegisterBroker(ctx, Registration{BrokerInfo: info})
		result <- err
	}()
	b.Close()
	check(t, receive(t, "registration", result))
}

func TestTopicsAndTheirEnd(t *testing.T) {
	s := zooKeeper(t)
	c := connect(t, Options{Connect: s.Addr()})
	ctx := soon(t)
	check(t, c.EnsurePaths(ctx))
	reign, err := c.ElectController(ctx, 1)
	check(t, err)
	id := NewTopicID()
	check(t, c.CreateTopic(ctx, "t", [][]cluster.BrokerID{{1, 2}, {2, 1}}, map[string]string{"a": "b"}, id))
	if err := c.CreateTopic(ctx, "t", [][]cluster.BrokerID{{1}}, nil, id); !errors.Is(err, ErrNodeExists) {
		t.Error(err)
	}
	a, err := c.Topic(ctx, "t")
	if err != nil || a.ID != id || len(a.Partitions) != 2 {
		t.Errorf("%+v, %v", a, err)
	}
	if config, err := c.EntityConfig(ctx, TopicConfig, "t"); err != nil || config["a"] != "b" {
		t.Errorf("%v, %v", config, err)
	}
	stale := a
	a.Partitions[2] = ReplicaAssignment{Replicas: ids(1)}
	check(t, c.AddPartitions(ctx, "t", a))
	if err := c.AddPartitions(ctx, "t", stale); !errors.Is(err, ErrBadVersion) {
		t.Errorf("growing a topic that has grown: %v", err)
	}
	states := map[cluster.TopicPartition]cluster.LeaderAndISR{}
	for p := range int32(3) {
		states[cluster.TopicPartition{Topic: "t", Partition: p}] = cluster.LeaderAndISR{Leader: 1, ISR: ids(1)}
	}
	_, err = c.CreateStates(ctx, reign, states)
	check(t, err)
	again, err := c.CreateStates(ctx, reign, states)
	check(t, err)
	for tp, r := range again {
		if !errors.Is(r.Err, ErrNodeExists) {
			t.Errorf("%v created twice: %v", tp, r.Err)
		}
	}
	check(t, c.RequestDeletion(ctx, "t"))
	check(t, c.DeleteTopic(ctx, reign, "t"))
	for _, list := range []func(context.Context) ([]string, error){c.Topics, c.Deletions} {
		if names, err := list(ctx); err != nil || len(names) != 0 {
			t.Errorf("left: %v, %v", names, err)
		}
	}
	if _, err := c.read(ctx, configNode(TopicConfig, "t")); !errors.Is(err, ErrNoNode) {
		t.Error(err)
	}
}

func TestSettingsReachEveryBroker(t *testing.T) {
	s := zooKeeper(t)
	c, other := connect(t, Options{Connect: s.Addr()}), connect(t, Options{Connect: s.Addr()})
	ctx := soon(t)
	check(t, c.EnsurePaths(ctx))
	check(t, c.SetEntityConfig(ctx, BrokerConfig, DefaultEntity, map[string]string{"x": "1"}))
	paths := make(chan string, 10)
	watch := other.WatchConfigChanges(func(path string) { paths <- path })
	defer watch.Close()
	if got := receive(t, "notification from before", paths); got != "brokers/<default>" {
		t.Error(got)
	}
	user := EntityName("alice b") + "/clients/" + EntityName("c 1")
	check(t, c.SetEntityConfig(ctx, UserConfig, user, map[string]string{"request_percentage": "50.0"}))
	check(t, c.SetEntityConfig(ctx, UserConfig, user, nil))
	for range 2 {
		if got := receive(t, "notification", paths); got != "users/alice%20b/clients/c%201" {
			t.Error(got)
		}
	}
	if _, err := c.read(ctx, configNode(UserConfig, user)); !errors.Is(err, ErrNoNode) {
		t.Errorf("the last quota is gone, its node is not: %v", err)
	}
	_, err := c.ElectController(ctx, 1)
	check(t, err)
	check(t, c.SetEntityConfig(ctx, TopicConfig, "t", map[string]string{"retention.ms": "1"}))
	check(t, c.SetEntityConfig(ctx, TopicConfig, "t", nil))
	all, err := c.EntityConfigs(ctx, TopicConfig)
	if err != nil || len(all) != 1 || len(all["t"]) != 0 {
		t.Errorf("%v, %v", all, err)
	}
}

func TestSmallThings(t *testing.T) {
	s := zooKeeper(t)
	c := connect(t, Options{Connect: s.Addr()})
	ctx := soon(t)
	first, err := c.ClusterID(ctx)
	check(t, err)
	if second, err := c.ClusterID(ctx); second != first || len(first) != 22 || err != nil {
		t.Errorf("%q, then %q, %v", first, second, err)
	}
	for want := range cluster.BrokerID(3) {
		if id, err := c.NextBrokerID(ctx, 1000); id != 1001+want || err != nil {
			t.Errorf("broker id %v, %v", id, err)
		}
	}
	for want := range int64(3) {
		block, err := c.NextProducerIDs(ctx, 1)
		if err != nil || block != (ProducerIDs{1, want * 1000, want*1000 + 999}) {
			t.Errorf("%+v, %v", block, err)
		}
	}
	tp := cluster.TopicPartition{Topic: "t", Partition: 3}
	if _, found, err := c.ConsumerOffset(ctx, "g", tp); found || err != nil {
		t.Error(found, err)
	}
	for offset := range int64(2) {
		check(t, c.SetConsumerOffset(ctx, "g", tp, offset))
		if got, found, err := c.ConsumerOffset(ctx, "g", tp); got != offset || !found || err != nil {
			t.Error(got, found, err)
		}
	}
	if _, err := c.create(ctx, "/big", make([]byte, maxRequestBytes+1), persistent); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
}

func TestNotifications(t *testing.T) {
	s := zooKeeper(t)
	c := connect(t, Options{Connect: s.Addr()})
	ctx := soon(t)
	check(t, c.EnsurePaths(ctx))
	reign, err := c.ElectController(ctx, 1)
	check(t, err)
	tps := []cluster.TopicPartition{{Topic: "t"}, {Topic: "u", Partition: 2}}
	check(t, c.NotifyISRChanges(ctx, tps))
	check(t, c.NotifyLogDirFailure(ctx, 3))
	got, names, err := c.ISRChanges(ctx)
	if err != nil || !reflect.DeepEqual(got, tps) {
		t.Errorf("%v, %v", got, err)
	}
	check(t, c.ForgetISRChanges(ctx, reign, names))
	brokers, names, err := c.LogDirEvents(ctx)
	if err != nil || !reflect.DeepEqual(brokers, ids(3)) {
		t.Errorf("%v, %v", brokers, err)
	}
	check(t, c.ForgetLogDirEvents(ctx, reign, names))
	for _, list := range []string{isrChangesPath, logDirEventsPath} {
		if left, err := c.children(ctx, list); err != nil || len(left) != 0 {
			t.Errorf("%s: %v, %v", list, left, err)
		}
	}
	for _, path := range []string{preferredPath, reassignPath} {
		_, err := c.create(ctx, path, encodeReassignment(map[cluster.TopicPartition][]cluster.BrokerID{tps[0]: ids(1)}), persistent)
		check(t, err)
	}
	if got, err := c.PreferredElection(ctx); err != nil || !reflect.DeepEqual(got, tps[:1]) {
		t.Errorf("%v, %v", got, err)
	}
	check(t, c.ForgetPreferredElection(ctx, reign))
	if got, err := c.Reassignment(ctx); err != nil || len(got) != 1 {
		t.Errorf("%v, %v", got, err)
	}
	check(t, c.WriteReassignment(ctx, reign, nil))
	if got, err := c.Reassignment(ctx); err != nil || got != nil {
		t.Errorf("%v, %v", got, err)
	}
}

func TestAWatchIsArmedOnce(t *testing.T) {
	s := zooKeeper(t)
	c, other := connect(t, Options{Connect: s.Addr()}), connect(t, Options{Connect: s.Addr()})
	ctx := soon(t)
	changed := make(chan struct{}, 100)
	watch := c.WatchController(func() { changed <- struct{}{} })
	for range 3 {
		if id, err := c.Controller(ctx); id != cluster.NoBroker || err != nil {
			t.Fatal(id, err)
		}
	}
	for i := range 3 {
		reign, err := other.ElectController(ctx, 5)
		check(t, err)
		receive(t, "news of an election", changed)
		if id, err := c.Controller(ctx); id != 5 || err != nil {
			t.Fatal(id, err)
		}
		check(t, other.Abdicate(ctx, reign))
		receive(t, "news of the end", changed)
		if id, err := c.Controller(ctx); id != cluster.NoBroker || err != nil {
			t.Fatal(id, err)
		}
		if len(changed) != 0 {
			t.Fatalf("round %d: %d calls too many", i, len(changed))
		}
	}
	watch.Stop()
	watch.Stop()
}

func ExampleAssignReplicas() {
	brokers := []BrokerRack{{ID: 0}, {ID: 1}, {ID: 2}, {ID: 3}, {ID: 4}}
	assignment, _ := AssignReplicas(brokers, 10, 3, 0, 0)
	for p, replicas := range assignment {
		fmt.Println(p, replicas)
	}
	// Output:
	// 0 [0 1 2]
	// 1 [1 2 3]
	// 2 [2 3 4]
	// 3 [3 4 0]
	// 4 [4 0 1]
	// 5 [0 2 3]
	// 6 [1 3 4]
	// 7 [2 4 0]
	// 8 [3 0 1]
	// 9 [4 1 2]
}
