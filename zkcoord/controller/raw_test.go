package controller

import (
	"time"

	"github.com/go-zookeeper/zk"
)

type noLog struct{}

func (noLog) Printf(string, ...any) {}

func worldACL() []zk.ACL { return zk.WorldACL(zk.PermAll) }

// rawClient writes what nobody of ours would.
func (f *fakeCluster) rawClient() *zk.Conn {
	f.t.Helper()
	conn, events, err := zk.Connect([]string{f.zk.Addr()}, 10*time.Second, zk.WithLogger(noLog{}))
	check(f.t, err)
	f.t.Cleanup(func() {
		conn.Close()
		for range events {
		}
	})
	return conn
}
