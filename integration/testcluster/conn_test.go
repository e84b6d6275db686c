package testcluster

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"ottla/logdir/disk"
)

// pair is a connection that broker 1 has dialed to broker 2, which accepted it: both are the brokers' own ends.
func pair(t *testing.T) (l *links, dialed, accepted net.Conn) {
	t.Helper()
	l = newLinks("zookeeper:2181")
	listener, err := l.listen(2)("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if dialed, err = l.dial(1, nil)(t.Context(), "tcp", listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if accepted, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _, _ = dialed.Close(), accepted.Close(), listener.Close()
		l.heal(func(link) bool { return true })
	})
	return l, dialed, accepted
}

const short = 20 * time.Millisecond

// reads reads one byte within a short time.
func reads(conn net.Conn) error {
	_ = conn.SetReadDeadline(time.Now().Add(short))
	_, err := conn.Read(make([]byte, 1))
	return err
}

func writes(t *testing.T, conn net.Conn) {
	t.Helper()
	if _, err := conn.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
}

func TestConnections(t *testing.T) {
	both := []link{{1, 2}, {2, 1}}
	for name, tc := range map[string]struct {
		cut, heal      []link
		pause          []node
		there, back    bool // who hears whom during the fault: the accepting side, the dialing side
		resetAfterHeal bool
	}{
		"nothing is wrong":                {there: true, back: true},
		"cut both ways":                   {cut: both, heal: both, resetAfterHeal: true},
		"cut there":                       {cut: both[:1], heal: both[:1], back: true, resetAfterHeal: true},
		"cut back":                        {cut: both[1:], heal: both[1:], there: true, resetAfterHeal: true},
		"cut both ways, healed one":       {cut: both, heal: both[:1]},
		"others are cut":                  {cut: []link{{1, 3}, {1, zookeeper}, {clients, 2}, {2, clients}}, heal: both, there: true, back: true},
		"the one that dialed is paused":   {pause: []node{1}},
		"the one that accepted is paused": {pause: []node{2}},
		"somebody else is paused":         {pause: []node{3}, there: true, back: true},
	} {
		t.Run(name, func(t *testing.T) {
			l, dialed, accepted := pair(t)
			for _, k := range tc.cut {
				l.cut(k)
			}
			for _, n := range tc.pause {
				l.pause(n)
			}
			frozen := func(n node) bool { return l.isPaused(n) }
			if !frozen(1) {
				writes(t, dialed)
			}
			if !frozen(2) {
				writes(t, accepted)
			}
			if err := reads(accepted); (err == nil) != tc.there || err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("there: %v", err)
			}
			if err := reads(dialed); (err == nil) != tc.back || err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("back: %v", err)
			}
			for _, n := range tc.pause {
				l.resume(n)
			}
			l.heal(func(k link) bool {
				for _, h := range tc.heal {
					if k == h {
						return true
					}
				}
				return false
			})
			err := reads(dialed)
			if reset := errors.Is(err, syscall.ECONNRESET); reset != tc.resetAfterHeal {
				t.Errorf("after the fault: %v", err)
			}
		})
	}
}

// What was on its way in the moment of a pause is there after it, once, whatever deadlines have passed.
func TestAPauseLosesNothing(t *testing.T) {
	l, dialed, accepted := pair(t)
	got := make(chan byte)
	go func() {
		b := make([]byte, 1)
		for {
			_ = accepted.SetReadDeadline(time.Now().Add(short))
			switch _, err := accepted.Read(b); {
			case err == nil:
				got <- b[0]
			case !errors.Is(err, os.ErrDeadlineExceeded):
				close(got)
				return
			}
		}
	}()
	for i := range byte(100) {
		l.pause(2)
		if _, err := dialed.Write([]byte{i}); err != nil {
			t.Fatal(err)
		}
		l.resume(2)
		if b := <-got; b != i {
			t.Fatalf("byte %d is %d", i, b)
		}
	}
	_ = dialed.Close()
	if b, more := <-got; more {
		t.Errorf("byte %d came twice", b)
	}
}

// A broker that uses its sockets by system calls of its own is held to the same faults.
func TestSystemCallsObeyFaults(t *testing.T) {
	for name, tc := range map[string]struct {
		begin, end func(*links)
		want       error // of the call that was held back
	}{
		"a pause": {func(l *links) { l.pause(2) }, func(l *links) { l.resume(2) }, nil},
		"a cut from clients": {
			func(l *links) { l.cut(link{clients, 2}); l.cut(link{2, clients}) },
			func(l *links) { l.heal(func(link) bool { return true }) }, syscall.ECONNRESET,
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLinks("")
			listener, err := l.listen(2)("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			client, err := net.Dial("tcp", listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			accepted, err := listener.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer accepted.Close()
			raw, err := accepted.(syscall.Conn).SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() {
				done <- raw.Read(func(fd uintptr) bool {
					_, err := syscall.Read(int(fd), make([]byte, 1))
					return err != syscall.EAGAIN
				})
			}()
			tc.begin(l)
			writes(t, client)
			select {
			case err := <-done:
				t.Errorf("read during the fault: %v", err)
			case <-time.After(short):
			}
			tc.end(l)
			if err := <-done; !errors.Is(err, tc.want) {
				t.Errorf("read after the fault: %v, want %v", err, tc.want)
			}
		})
	}
}

// The other side of a cut link does not hear that a connection was closed.
func TestACloseDoesNotCrossACut(t *testing.T) {
	l, dialed, accepted := pair(t)
	l.cut(link{1, 2})
	l.cut(link{2, 1})
	_ = dialed.Close()
	if err := reads(accepted); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the other side heard %v", err)
	}
	l.heal(func(link) bool { return true })
	_ = accepted.SetReadDeadline(time.Time{})
	if _, err := accepted.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
		t.Errorf("after healing: %v", err)
	}
}

func TestFaultyDisk(t *testing.T) {
	name := t.TempDir() + "/file"
	d := newFaultyDisk()
	f, err := d.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	write := func(at int64) error { _, err := f.WriteAt([]byte("12345678"), at); return err }
	for _, step := range []struct {
		name  string
		begin func()
		do    func() error
		want  error
	}{
		{"a disk that is well takes all", func() {}, func() error { return write(0) }, nil},
		{"a full one nothing new", func() { d.fill(true) }, func() error { return write(1) }, syscall.ENOSPC},
		{"but what overwrites", func() {}, func() error { return write(0) }, nil},
		{"and no new file", func() {}, func() error { _, err := d.Create(name + "2"); return err }, syscall.ENOSPC},
		{"and says so", func() {}, func() error {
			if _, free, _ := d.Space(t.TempDir()); free != 0 {
				return errors.New("there is space")
			}
			return nil
		}, nil},
		{"and has space again", func() { d.fill(false) }, func() error { return write(8) }, nil},
		{"a broken one fails at once", func() { d.fail(syscall.EIO) }, func() error { return write(0) }, syscall.EIO},
		{"also to sync", func() {}, f.Sync, syscall.EIO},
		{"but can be read", func() {}, func() error { _, err := f.ReadAt(make([]byte, 8), 0); return err }, nil},
		{"until it is well", d.heal, f.Sync, nil},
	} {
		step.begin()
		if err := step.do(); !errors.Is(err, step.want) {
			t.Errorf("%s: %v, want %v", step.name, err, step.want)
		}
	}
	d.slow(time.Hour)
	done := make(chan error, 1)
	go func() { done <- write(0) }()
	select {
	case <-done:
		t.Error("a slow disk is quick")
	case <-time.After(short):
	}
	d.heal() // also ends what is waiting
	if err := <-done; err != nil {
		t.Error(err)
	}
	var _ disk.FS = d
}
