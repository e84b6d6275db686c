// Package testcluster runs whole brokers and their ZooKeeper inside a Go test: the real thing on free ports
// of the loopback interface, ready when Start returns, gone when the test ends, and breakable in between.
//
//	func TestOrders(t *testing.T) {
//		cluster := testcluster.Start(t, 3)
//		cluster.CreateTopic("orders", 6, 3, map[string]string{"min.insync.replicas": "2"})
//
//		producer, err := sarama.NewSyncProducer(cluster.Addrs(), nil)
//		...
//		cluster.AwaitLeader("orders", 0).Kill()
//		... // what does your program do now?
//	}
//
// Three brokers are ready in less than a tenth of a second and take some megabytes, so that each test can have
// a cluster of its own. Any client will do; the examples show sarama and franz-go.
//
// # Ready
//
// When Start returns, every broker tells its clients of every other and of the controller, and the topic that
// keeps the offsets of consumer groups has its leaders. When CreateTopic returns, every broker knows the new
// topic's leaders. So a client that never tries again gets no error. After a fault AwaitReady, AwaitLeader and
// AwaitISR tell when the cluster has come to terms with it; a test need not sleep.
//
// # Settings
//
// WithSetting and WithBrokerSetting take everything that stands in server.properties. Defaults are Kafka's, but
// for what would make a test wait: internal topics have five partitions and as many replicas as there are
// brokers, at most three; groups do not wait for more members to come; a session with ZooKeeper lasts three seconds
// and a follower may lag for five. Shorter still, as a second each, faults show sooner, but a busy
// machine may then see one where there is none:
//
//	testcluster.Start(t, 3, testcluster.WithSessionTimeout(time.Second), testcluster.WithSetting("replica.lag.time.max.ms", "1000"))
//
// # Faults
//
//	what                   how                                  what follows
//	kill -9                b.Kill()                             another leads when the session has ended
//	SIGTERM                b.Stop()                             another leads at once
//	either, then again     b.Restart()                          same ports, same directories
//	SIGSTOP, SIGCONT       b.Pause(), b.Resume()                silence; nothing lost in between
//	a lost session         b.ExpireSession()                    the broker registers anew
//	a broken network       c.Cut(a, b), c.CutOneWay(from, to)   what is sent vanishes
//	its repair             c.Heal(), c.HealBetween(a, b)        interrupted connections are reset
//	a slow disk            b.SlowDisk(by)                       writes and syncs take so much longer
//	a full disk            b.FillDisk(), b.FreeDisk()           ENOSPC; the log directory goes offline if others are in sync
//	a broken disk          b.BreakDisk(), b.MendDisk()          EIO; the log directory goes offline
//	ZooKeeper stands still c.PauseZooKeeper(), ResumeZooKeeper  no sessions end, no leaders change
//
// Cut takes brokers, ZooKeeper and Clients: c.Cut(c.Broker(1), testcluster.ZooKeeper) leaves a broker that
// others still reach, c.Cut(c.Broker(1), testcluster.Clients) one that only its peers reach. Everything that is broken is mended
// when the test ends.
//
// # What it is made of
//
// The brokers are those of the program ottla, with all their parts. They differ in what they get for the
// network and the disk: connections and files that ask, before each use, whether a fault is in their way. A cut
// between brokers is made at the connection of the one that dialed, so that both directions are cut at one place. While nothing is
// wrong, asking is a look at one word of memory.
//
// ZooKeeper is package zkserver, its tree in memory, unless WithZooKeeper names another. Logs lie in t.TempDir,
// what is logged goes to the test's log, so that it is seen when the test fails.
package testcluster
