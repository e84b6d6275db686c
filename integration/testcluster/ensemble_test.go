package testcluster_test

import (
	"fmt"
	"maps"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"ottla/integration/apache"
	"ottla/integration/testcluster"
)

// ensembleTick is ZooKeeper's unit of time: it grants sessions from two ticks on, and calls its members dead
// after some more.
const ensembleTick = 500 * time.Millisecond

// Three brokers beside three ZooKeeper servers, whatever happens to the servers: as long as most of them are there again
// before long, no session ends, no leader changes, and every acknowledged record is kept.
func TestAnEnsembleOfZooKeepers(t *testing.T) {
	ensemble := apache.StartEnsemble(t, 3, map[string]string{
		"tickTime": fmt.Sprint(ensembleTick.Milliseconds()), "forceSync": "no", // no power fails here
	})
	c := &ensembleCluster{t: t, zk: ensemble, tree: ensembleTree(t, ensemble)}
	c.Cluster = testcluster.Start(t, 3, quick(testcluster.WithZooKeeper(ensemble.Connect()),
		testcluster.WithSessionTimeout(sessionOfEnsemble), testcluster.WithSetting("auto.leader.rebalance.enable", "false"))...)
	c.CreateTopic("orders", 1, 3, map[string]string{"min.insync.replicas": "2"})
	c.w = newWriter(t, c.Cluster, "orders")
	for _, deed := range []struct {
		name string
		do   func(t *testing.T)
	}{
		{"its leader is killed", c.killLeader},
		{"the controller's server is killed", c.killControllersServer},
		{"the controller's server freezes, and its session moves", c.freezeControllersServer},
		{"two servers are killed, and come back after more than a session", c.loseQuorum},
		{"a session expires while a server is away", c.expireWithoutAServer},
		{"the controller's session expires", c.expireController},
	} {
		if !t.Run(deed.name, deed.do) {
			return
		}
		c.t = t
		c.AwaitReady()
		c.AwaitISR("orders", 0)
		c.w.write(10)
	}
	c.CreateTopic("made-afterwards", 3, 3, nil)
	c.w.verify(c.Cluster, "orders")
}

// sessionOfEnsemble outlasts an election among busy servers: it takes them a second or two.
const sessionOfEnsemble = 9 * time.Second

type ensembleCluster struct {
	*testcluster.Cluster
	t    *testing.T
	zk   *apache.Ensemble
	tree *zk.Conn
	w    *writer
}

type quietZooKeeper struct{}

func (quietZooKeeper) Printf(string, ...any) {}

// ensembleTree is a look at the tree from outside.
func ensembleTree(t *testing.T, e *apache.Ensemble) *zk.Conn {
	t.Helper()
	var servers []string
	for _, z := range e.Members {
		servers = append(servers, z.Addr)
	}
	conn, events, err := zk.Connect(servers, time.Minute, zk.WithLogger(quietZooKeeper{}), zk.WithMaxConnBufferSize(1<<16))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		for range events {
		}
	})
	return conn
}

// owner is the session that holds an ephemeral znode; 0 if nobody does.
func (c *ensembleCluster) owner(path string) (session int64) {
	awaitChange(c.t, "ZooKeeper tells of "+path, func() bool {
		_, stat, err := c.tree.Get(path)
		if err == nil {
			session = stat.EphemeralOwner
		}
		return err == nil || err == zk.ErrNoNode
	})
	return session
}

// sessions are those of the brokers and of the controller, by path.
func (c *ensembleCluster) sessions() map[string]int64 {
	all := map[string]int64{"/controller": c.owner("/controller")}
	for _, b := range c.Brokers() {
		path := fmt.Sprint("/brokers/ids/", b.ID())
		all[path] = c.owner(path)
	}
	return all
}

// keeps does something, and then finds every session, every registration and the controller as they were.
func (c *ensembleCluster) keeps(t *testing.T, do func()) {
	t.Helper()
	c.t = t
	before := c.sessions()
	do()
	c.awaitConnected(slices.Sorted(maps.Values(before)))
	if now := c.sessions(); !maps.Equal(now, before) {
		t.Errorf("the sessions are %x, and were %x", now, before)
	}
}

// awaitConnected waits until each session's client is at some server.
func (c *ensembleCluster) awaitConnected(sessions []int64) {
	c.t.Helper()
	for _, session := range slices.Compact(sessions) {
		awaitChange(c.t, fmt.Sprintf("session 0x%x is connected", session), func() bool { return c.zk.ServerOf(session) >= 0 })
	}
}

func (c *ensembleCluster) kill(n int) {
	c.t.Logf("ZooKeeper %d is killed, the leader is %d", n+1, c.zk.Leader()+1)
	c.zk.Members[n].Kill()
}

func (c *ensembleCluster) killLeader(t *testing.T) {
	c.keeps(t, func() {
		n := c.zk.Leader()
		if n < 0 {
			t.Fatal("nobody leads")
		}
		c.kill(n)
		c.w.write(20)
		awaitChange(t, "another leads", func() bool { return c.zk.Leader() >= 0 })
		c.w.write(5)
		c.zk.Restart(t, n)
		c.zk.AwaitServing(t, n)
	})
}

// controllersServer is the server that the controller's session is at; a follower if there is a choice.
func (c *ensembleCluster) controllersServer() int {
	n := -1
	awaitChange(c.t, "the controller's server", func() bool {
		n = c.zk.ServerOf(c.owner("/controller"))
		return n >= 0
	})
	return n
}

func (c *ensembleCluster) killControllersServer(t *testing.T) {
	c.keeps(t, func() {
		n := c.controllersServer()
		c.kill(n)
		c.w.write(20)
		c.CreateTopic("made-without-a-server", 3, 3, nil) // the controller decides, by way of another server
		c.zk.Restart(t, n)
		c.zk.AwaitServing(t, n)
	})
}

// A frozen server says nothing of its going. The client leaves it for another, to which its session moves; and
// when the server goes on, what it still has of the session changes nothing.
func (c *ensembleCluster) freezeControllersServer(t *testing.T) {
	c.keeps(t, func() {
		n := c.controllersServer()
		t.Logf("ZooKeeper %d is frozen, the leader is %d", n+1, c.zk.Leader()+1)
		signal := func(s syscall.Signal) {
			if err := syscall.Kill(c.zk.Members[n].Pid(), s); err != nil {
				t.Fatal(err)
			}
		}
		signal(syscall.SIGSTOP)
		c.w.write(20)
		session := c.owner("/controller")
		awaitChange(t, "the controller's session moves", func() bool {
			now := c.serverBut(n, session)
			return now >= 0 && now != n
		})
		c.CreateTopic("made-by-another-server", 3, 3, nil)
		signal(syscall.SIGCONT)
		c.zk.AwaitServing(t, n)
		c.w.write(5)
	})
}

// serverBut is ServerOf without asking a server that does not answer.
func (c *ensembleCluster) serverBut(frozen int, session int64) int {
	without := *c.zk
	without.Members = slices.Delete(slices.Clone(c.zk.Members), frozen, frozen+1)
	n := without.ServerOf(session)
	if n >= frozen {
		n++
	}
	return n
}

// Without a quorum nobody serves, and nobody can end a session either. Leaders lead on: what is acknowledged needs
// no ZooKeeper as long as the in-sync replicas stay the same.
func (c *ensembleCluster) loseQuorum(t *testing.T) {
	c.keeps(t, func() {
		leader := c.AwaitLeader("orders", 0)
		lost := []int{1, 2} // the first stays, whether it leads or not
		for _, n := range lost {
			c.kill(n)
		}
		for end := time.Now().Add(sessionOfEnsemble + time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			c.w.write(1)
		}
		if now := c.AwaitLeader("orders", 0); now != leader {
			t.Errorf("%s leads, and %s did before", now, leader)
		}
		for _, n := range lost {
			c.zk.Restart(t, n)
		}
		c.zk.AwaitServing(t, 0, 1, 2)
	})
}

func (c *ensembleCluster) expireWithoutAServer(t *testing.T) {
	c.t = t
	n := c.zk.Leader()
	c.kill(n)
	awaitChange(t, "another leads", func() bool { return c.zk.Leader() >= 0 })
	c.expires(others(c.Cluster, c.Controller())[0])
	c.zk.Restart(t, n)
	c.zk.AwaitServing(t, n)
}

func (c *ensembleCluster) expireController(t *testing.T) {
	c.t = t
	c.expires(c.Controller())
}

// expires ends a broker's session, and the broker registers in a new one.
func (c *ensembleCluster) expires(b *testcluster.Broker) {
	path := fmt.Sprint("/brokers/ids/", b.ID())
	before := c.owner(path)
	b.ExpireSession()
	c.w.write(5)
	c.AwaitReady()
	if now := c.owner(path); now == before || now == 0 {
		c.t.Errorf("%s belongs to session 0x%x, and did to 0x%x", path, now, before)
	}
}
