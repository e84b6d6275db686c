package zkserver

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"ottla/integration/apache"
)

// TestConformance asks this server and a real ZooKeeper the same, and expects of both the same words.
func TestConformance(t *testing.T) {
	for server, address := range map[string]func(t *testing.T) string{
		"ours":      func(t *testing.T) string { return start(t, Options{}).Addr() },
		"durable":   func(t *testing.T) string { return start(t, Options{DataDir: t.TempDir()}).Addr() },
		"ZooKeeper": func(t *testing.T) string { return apache.StartZooKeeper(t).Addr },
	} {
		t.Run(server, func(t *testing.T) {
			t.Parallel()
			addr := address(t)
			for _, group := range [][]behaviour{treeBehaviours(), multiBehaviours(), watchBehaviours(), accessBehaviours(), sessionBehaviours(), frameBehaviours()} {
				for _, b := range group {
					t.Run(b.name, func(t *testing.T) {
						t.Parallel()
						if got := strings.TrimSpace(fmt.Sprintln(b.ask(newKit(t, addr))...)); got != b.want {
							t.Errorf("\n got %s\nwant %s", got, b.want)
						}
					})
				}
			}
		})
	}
}

// behaviour is something a client may rely on: what it asks, and the answer in print.
type behaviour struct {
	name string
	ask  func(k *kit) []any
	want string
}

// kit is what a behaviour asks with: a node of its own to work under.
type kit struct {
	testing.TB
	addr string
	base string
}

func newKit(t testing.TB, addr string) *kit {
	t.Helper()
	b := make([]byte, 6)
	rand.Read(b)
	k := &kit{t, addr, "/conformance-" + hex.EncodeToString(b)}
	w := wireSession(t, addr, "")
	if a := w.create(k.base); a.err != 0 || a.closed {
		t.Fatalf("create %s: %v", k.base, a)
	}
	w.call(opCloseSession)
	t.Cleanup(func() {
		// A real server keeps what is left behind. Some nodes are only for those who can say u:p.
		w := wireSession(t, addr, "")
		w.call(opAuth, 0, "digest", []byte("u:p"))
		remove(w, k.base)
		w.call(opCloseSession)
	})
	return k
}

// remove deletes a node and all below, as far as it may.
func remove(w *wire, path string) {
	a := w.call(opGetChildren, path, false)
	d := decoder{b: a.body}
	for _, name := range d.strings() {
		remove(w, path+"/"+name)
	}
	w.call(opDelete, path, -1)
}

// wire begins a session.
func (k *kit) wire() *wire {
	k.Helper()
	return wireSession(k, k.addr, k.base)
}

// short cuts the base off paths.
func (k *kit) short(paths ...string) []string {
	var out []string
	for _, p := range paths {
		out = append(out, strings.TrimPrefix(p, k.base))
	}
	return out
}

// path reads the path that an answer begins with.
func (k *kit) path(a answer) string {
	if a.err != 0 || a.closed {
		return a.String()
	}
	d := decoder{b: a.body}
	return strings.TrimPrefix(d.string(), k.base)
}

// stat prints the Stat of a node, its zxids relative to z.
func (k *kit) stat(w *wire, path string, z int64) string {
	k.Helper()
	a := w.call(opExists, path, false)
	if a.err != 0 {
		return a.String()
	}
	s := statOf(k, a.body)
	owner := "0"
	if s.ephemeralOwner == w.id {
		owner = "me"
	}
	return fmt.Sprintf("c+%d m+%d p+%d v%d cv%d av%d owner=%s len%d kids%d", s.czxid-z, s.mzxid-z, s.pzxid-z, s.version, s.cversion, s.aversion, owner, s.dataLength, s.numChildren)
}

func (k *kit) errs(answers ...answer) string { return fmt.Sprint(answers) }
