package zkserver

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type quiet struct{}

func (quiet) Printf(string, ...any) {}

// start runs a server until the test ends.
func start(t testing.TB, o Options) *Server {
	t.Helper()
	s, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// dial connects a client and waits for its session.
func dial(t testing.TB, addr string) *zk.Conn {
	t.Helper()
	c, events, err := zk.Connect([]string{addr}, 10*time.Second, zk.WithLogger(quiet{}), zk.WithMaxConnBufferSize(1<<20+4096))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	deadline := time.After(10 * time.Second)
	for {
		select {
		case e := <-events:
			if e.State == zk.StateHasSession {
				return c
			}
		case <-deadline:
			t.Fatal("no session within 10 s")
		}
	}
}

func next(t testing.TB, events <-chan zk.Event) zk.Event {
	t.Helper()
	select {
	case e := <-events:
		return e
	case <-time.After(10 * time.Second):
		t.Fatal("no event within 10 s")
		return zk.Event{}
	}
}

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestServerServesAClient(t *testing.T) {
	s := start(t, Options{})
	c := dial(t, s.Addr())
	world := zk.WorldACL(zk.PermAll)
	must[string](t)(c.Create("/a", []byte("1"), 0, world))
	_, _, created, err := c.ExistsW("/b")
	if err != nil {
		t.Fatal(err)
	}
	must[string](t)(c.Create("/b", nil, zk.FlagEphemeral, world))
	if e := next(t, created); e.Type != zk.EventNodeCreated || e.Path != "/b" {
		t.Errorf("event %v", e)
	}
	data, stat, err := c.Get("/a")
	if err != nil || string(data) != "1" || stat.Version != 0 {
		t.Errorf("get: %q %+v %v", data, stat, err)
	}
	if _, err := c.Set("/a", []byte("2"), 7); !errors.Is(err, zk.ErrBadVersion) {
		t.Errorf("set of a wrong version: %v", err)
	}
	must[*zk.Stat](t)(c.Set("/a", []byte("2"), 0))
	if _, err := c.Multi(&zk.CheckVersionRequest{Path: "/a", Version: 1}, &zk.CreateRequest{Path: "/a/c", Acl: world}); err != nil {
		t.Error(err)
	}
	names, _, err := c.Children("/")
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"a", "b", "zookeeper"}; !slices.Equal(names, want) {
		t.Errorf("children %v, want %v", names, want)
	}
	other := dial(t, s.Addr())
	_, _, gone, err := other.ExistsW("/b")
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if e := next(t, gone); e.Type != zk.EventNodeDeleted {
		t.Errorf("event %v", e)
	}
}

func TestServerKeepsWhatItAcknowledged(t *testing.T) {
	dir := t.TempDir()
	s := start(t, Options{DataDir: dir})
	c := dial(t, s.Addr())
	must[string](t)(c.Create("/a", []byte("1"), 0, zk.WorldACL(zk.PermAll)))
	s.Close()
	c.Close()
	s = start(t, Options{DataDir: dir})
	c = dial(t, s.Addr())
	if data, _, err := c.Get("/a"); err != nil || string(data) != "1" {
		t.Errorf("%q %v", data, err)
	}
}
