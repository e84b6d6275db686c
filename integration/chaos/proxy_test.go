package main

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"testing"
	"time"
)

const server = node(1)

// echoThrough is a server that says everything again, and how it is dialed through a proxy by this process.
func echoThrough(t *testing.T) (l *links, dial func() net.Conn) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("links can be cut on Linux only")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); _, _ = io.Copy(c, c) }()
		}
	}()
	l = newLinks()
	l.own(os.Getpid(), clients)
	p, err := startProxy(l, server, "127.0.0.1:0", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.close()
		p.Close()
		_ = listener.Close()
	})
	return l, func() net.Conn {
		c, err := net.Dial("tcp", p.addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
}

// say sends a word and wants it back.
func say(t *testing.T, c net.Conn, word string) {
	t.Helper()
	if _, err := io.WriteString(c, word); err != nil {
		t.Fatal(err)
	}
	hear(t, c, word)
}

func hear(t *testing.T, c net.Conn, word string) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	got := make([]byte, len(word))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != word {
		t.Fatalf("heard %q (%v), want %q", got, err, word)
	}
}

func silence(t *testing.T, c net.Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	got := make([]byte, 1)
	if n, err := c.Read(got); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("heard %q, %v", got[:n], err)
	}
}

func TestLateBytesArriveWhenTheLinkHeals(t *testing.T) {
	for name, way := range map[string]link{"there": {clients, server}, "back": {server, clients}} {
		t.Run(name, func(t *testing.T) {
			l, dial := echoThrough(t)
			c := dial()
			say(t, c, "before")
			l.cut(late, way)
			if _, err := io.WriteString(c, "during"); err != nil {
				t.Fatal(err)
			}
			silence(t, c)
			l.heal()
			hear(t, c, "during")
			say(t, c, "after")
		})
	}
}

func TestDroppedBytesEndTheConnectionWhenTheLinkHeals(t *testing.T) {
	for name, way := range map[string]link{"there": {clients, server}, "back": {server, clients}} {
		t.Run(name, func(t *testing.T) {
			l, dial := echoThrough(t)
			idle, c := dial(), dial()
			say(t, idle, "before")
			say(t, c, "before")
			l.cut(dropped, way)
			if _, err := io.WriteString(c, "during"); err != nil {
				t.Fatal(err)
			}
			silence(t, c)
			l.heal()
			_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
			if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("read: %v", err)
			}
			say(t, idle, "after") // it lost nothing
		})
	}
}

func TestOtherLinksStayOpen(t *testing.T) {
	l, dial := echoThrough(t)
	l.cut(dropped, append(both(2, server), both(clients, 2)...)...)
	say(t, dial(), "word")
}

func TestNobodyConnectsOverACutLink(t *testing.T) {
	l, dial := echoThrough(t)
	l.cut(late, link{server, clients})
	c := dial()
	if _, err := io.WriteString(c, "during"); err != nil {
		t.Fatal(err)
	}
	silence(t, c)
	l.heal()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, err := c.Read(make([]byte, 10)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read %d bytes: %v", n, err)
	}
	say(t, dial(), "after")
}

func TestAStrangersConnectionIsRefused(t *testing.T) {
	l, dial := echoThrough(t)
	l.own(1, clients)
	c := dial()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read: %v", err)
	}
}
