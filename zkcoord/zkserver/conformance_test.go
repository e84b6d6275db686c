package zkserver

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
)

// zooKeeperAddress returns the host:port of a real ZooKeeper 3.8 that OTTLA_TEST_ZOOKEEPER names.
func zooKeeperAddress(t *testing.T) string {
	t.Helper()
	addr := os.Getenv("OTTLA_TEST_ZOOKEEPER")
	if addr == "" {
		t.Skip("no ZooKeeper to compare with: set OTTLA_TEST_ZOOKEEPER to the host:port of a ZooKeeper 3.8")
	}
	return addr
}

// TestConformance asks this server and a real ZooKeeper the same, and expects of both the same words.
func TestConformance(t *testing.T) {
	for server, address := range map[string]func(t *testing.T) string{
		"ours":      func(t *testing.T) string { return start(t, Options{}).Addr() },
		"durable":   func(t *testing.T) string { return start(t, Options{DataDir: t.TempDir()}).Addr() },
		"ZooKeeper": zooKeeperAddress,
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
	return k
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

func treeBehaviours() []behaviour {
	flags := func(w *wire, path string, flags int) answer {
		return w.call(opCreate, path, []byte("x"), openACL(), flags)
	}
	return []behaviour{
		{"a sequence counts creations and deletions do not take it back", func(k *kit) []any {
			w := k.wire()
			first := k.path(flags(w, k.base+"/s-", 2))
			second := k.path(flags(w, k.base+"/s-", 3))
			w.call(opDelete, k.base+second, -1)
			w.create(k.base + "/plain")
			return []any{first, second, k.path(flags(w, k.base+"/t-", 2)), k.path(flags(w, k.base+"/", 2)), w.call(opDelete, k.base+first, 0)}
		}, "/s-0000000000 /s-0000000001 /t-0000000003 /0000000004 0"},
		{"Stat tells every change, and the parent's keeps its mzxid", func(k *kit) []any {
			// zxids of other sessions may come between, so only order is asked here.
			w := k.wire()
			p := k.base + "/p"
			w.create(p)
			made := statOf(k, w.call(opExists, p, false).body)
			w.create(p + "/c")
			child := statOf(k, w.call(opExists, p+"/c", false).body)
			grown := statOf(k, w.call(opExists, p, false).body)
			set := statOf(k, w.call(opSetData, p, []byte("yy"), 0).body)
			acls := statOf(k, w.call(opSetACL, p, openACL(), 0).body)
			deleted := w.call(opDelete, p+"/c", -1)
			end := statOf(k, w.call(opExists, p, false).body)
			return []any{
				made.czxid == made.mzxid, made.czxid == made.pzxid, made.version, made.cversion, made.ctime == made.mtime,
				"|", grown.pzxid == child.czxid, grown.mzxid == made.mzxid, grown.cversion, grown.numChildren,
				"|", set.mzxid > child.czxid, set.version, set.dataLength, set.pzxid == child.czxid,
				"|", acls.aversion, acls.mzxid == set.mzxid, acls.version,
				"|", end.pzxid == deleted.zxid, end.cversion, end.numChildren, end.mzxid == set.mzxid,
			}
		}, "true true 0 0 true | true true 1 1 | true 1 2 true | 1 true 1 | true 2 0 true"},
		{"null data is not empty data", func(k *kit) []any {
			w := k.wire()
			w.call(opCreate, k.base+"/null", []byte(nil), openACL(), 0)
			w.call(opCreate, k.base+"/empty", []byte{}, openACL(), 0)
			null, empty := w.call(opGetData, k.base+"/null", false).body, w.call(opGetData, k.base+"/empty", false).body
			w.call(opSetData, k.base+"/empty", []byte(nil), -1)
			after := w.call(opGetData, k.base+"/empty", false).body
			return []any{hex.EncodeToString(null[:4]), hex.EncodeToString(empty[:4]), hex.EncodeToString(after[:4]), statOf(k, null[4:]).dataLength}
		}, "ffffffff 00000000 ffffffff 0"},
		{"create finds the first of its errors", func(k *kit) []any {
			w := k.wire()
			flags(w, k.base+"/e", 1)
			none, bogus := acl(nil), acl{{permAll, identity{"bogus", "x"}}}
			return []any{
				w.create(k.base + "/no/x"), w.create(k.base), w.create(k.base + "/e/x"), w.create("nothing"), w.create("/"),
				w.create(k.base + "/"), w.create(k.base + "/a//b"), w.create(k.base + "/."), w.create(k.base + "/no/../x"), w.create(k.base + "/\x01"), w.create(k.base + "/\x00"),
				w.create(k.base + "/\U0001F600"), w.create(k.base + "/\uF000"), w.create(k.base + "/ä"), w.create(""),
				w.call(opCreate, k.base+"/x", []byte{}, none, 0), w.call(opCreate, k.base+"/no/x", []byte{}, bogus, 0), w.call(opCreate, k.base+"/x/", []byte{}, bogus, 0),
			}
		}, "-101 -110 -108 -8 -110 -8 -101 -8 -101 -8 -8 -8 -8 0 -8 -114 -114 -114"},
		{"flags that do not exist are bad arguments, a time to live is not implemented", func(k *kit) []any {
			w := k.wire()
			return []any{
				flags(w, k.base+"/f", 7), flags(w, k.base+"/f", -1), flags(w, k.base+"/f", 5),
				w.call(opCreateTTL, k.base+"/f", []byte{}, openACL(), 5, int64(1000)), w.call(opCreateTTL, k.base+"/f", []byte{}, openACL(), 6, int64(1000)),
			}
		}, "-8 -8 -6 -6 -6"},
		{"a container does not look like one", func(k *kit) []any {
			w := k.wire()
			a := w.call(opCreateContainer, k.base+"/c", []byte{}, openACL(), 4)
			d := decoder{b: a.body}
			d.string()
			s := statOf(k, d.b)
			return []any{a, s.ephemeralOwner, w.create(k.base + "/c/child"), flags(w, k.base+"/d", 4)}
		}, "0 0 0 0"},
		{"create2 answers the Stat too", func(k *kit) []any {
			w := k.wire()
			a := w.call(opCreate2, k.base+"/x-", []byte("abc"), openACL(), 3)
			d := decoder{b: a.body}
			path, s := d.string(), statOf(k, d.b)
			return []any{k.short(path), s.dataLength, s.ephemeralOwner == w.id, s.czxid == a.zxid, len(d.b)}
		}, "[/x-0000000000] 3 true true 68"},
		{"delete finds the first of its errors", func(k *kit) []any {
			w := k.wire()
			w.create(k.base + "/d")
			w.create(k.base + "/d/c")
			return []any{
				w.call(opDelete, k.base+"/d", -1), w.call(opDelete, k.base+"/d", 3), w.call(opDelete, k.base+"/d/c", 1), w.call(opDelete, k.base+"/no", -1),
				w.call(opDelete, k.base+"/no/x", -1), w.call(opDelete, "/", -1), w.call(opDelete, "nothing", -1), w.call(opDelete, k.base+"/d/", -1), w.call(opDelete, "", -1),
				w.call(opDelete, k.base+"/\x00", -1), w.call(opDelete, k.base+"/\x01", -1), w.call(opDelete, k.base+"/d//c", -1),
				w.call(opDelete, k.base+"/d/c", 0), w.call(opDelete, k.base+"/d", 0),
			}
		}, "-111 -103 -103 -101 -101 -8 -8 -101 -8 -8 -101 -101 0 0"},
		{"the server's own nodes cannot be deleted", func(k *kit) []any {
			w := k.wire()
			return []any{w.call(opDelete, "/zookeeper", -1), w.call(opDelete, "/zookeeper/quota", -1), w.call(opDelete, "/zookeeper/config", -1), w.call(opExists, "/zookeeper/config", false)}
		}, "-8 -8 -8 0"},
		{"set finds the first of its errors", func(k *kit) []any {
			w := k.wire()
			set := func(path string, version int) answer { return w.call(opSetData, path, []byte("1"), version) }
			return []any{set(k.base+"/no", -1), set(k.base, 9), set("", -1), set("nothing", -1), set(k.base+"/", -1), set(k.base+"/\x00", -1), set(k.base, 0), set(k.base, 0), set(k.base, -1), set(k.base, -2)}
		}, "-101 -103 -8 -8 -8 -8 0 -103 0 -103"},
		{"reads do not care for the form of a path", func(k *kit) []any {
			w := k.wire()
			var out []any
			for _, path := range []string{"nothing", k.base + "/", "/\x01", "/a//b", "/\x00"} {
				out = append(out, k.errs(w.call(opExists, path, false), w.call(opGetData, path, false), w.call(opGetChildren, path, false), w.call(opGetChildren2, path, false), w.call(opGetACL, path)))
			}
			return append(out, w.call(opExists, "", false), w.call(opGetData, "", false), w.call(opGetChildren, "", false), w.call(opSync, "nothing"))
		}, "[-101 -101 -101 -101 -101] [-101 -101 -101 -101 -101] [-101 -101 -101 -101 -101] [-101 -101 -101 -101 -101] [-8 -101 -101 -101 -101] 0 0 0 0"},
		{"failed writes use up a zxid, reads none", func(k *kit) []any {
			// Others write meanwhile, so it is only seen that the number rises.
			w := k.wire()
			a := w.call(opDelete, k.base+"/no", -1)
			b := w.call(opDelete, k.base+"/no", -1)
			c := w.call(opGetData, k.base, false)
			return []any{b.zxid > a.zxid, c.zxid >= b.zxid, len(a.body) == 0}
		}, "true true true"},
		{"children, ephemerals and all descendants are counted", func(k *kit) []any {
			w, other := k.wire(), k.wire()
			w.create(k.base + "/a")
			w.create(k.base + "/a/b")
			flags(w, k.base+"/a/e", 1)
			flags(w, k.base+"/f", 1)
			flags(other, k.base+"/g", 1)
			count := w.call(opGetAllChildrenNumber, k.base)
			under := w.call(opGetAllChildrenNumber, k.base+"/a")
			list := func(w *wire, op int32, path string) []string {
				a := w.call(op, path)
				d := decoder{b: a.body}
				paths := k.short(d.strings()...)
				slices.Sort(paths)
				return paths
			}
			return []any{
				hex.EncodeToString(count.body), hex.EncodeToString(under.body), w.call(opGetAllChildrenNumber, k.base+"/no"),
				list(w, opGetEphemerals, k.base), list(w, opGetEphemerals, k.base+"/a"), list(w, opGetEphemerals, "/"), list(other, opGetEphemerals, k.base), list(w, opGetEphemerals, "/no"),
			}
		}, "00000005 00000002 -101 [/a/e /f] [/a/e] [/a/e /f] [/g] []"},
		{"the children come with the Stat if asked", func(k *kit) []any {
			w := k.wire()
			w.create(k.base + "/b")
			w.create(k.base + "/a")
			a, b := w.call(opGetChildren, k.base, false), w.call(opGetChildren2, k.base, false)
			d := decoder{b: b.body}
			names := d.strings()
			slices.Sort(names)
			return []any{len(b.body) - len(a.body), names, statOf(k, d.b).numChildren}
		}, "68 [a b] 2"},
		{"the go client sees errors as its own", func(k *kit) []any {
			c := dial(k, k.addr)
			_, err1 := c.Create(k.base, nil, 0, zk.WorldACL(zk.PermAll))
			_, _, err2 := c.Get(k.base + "/no")
			err3 := c.Delete(k.base, 5)
			_, err4 := c.CreateContainer(k.base+"/c", nil, zk.FlagTTL, zk.WorldACL(zk.PermAll))
			_, err5 := c.Sync(k.base)
			name, err6 := c.CreateProtectedEphemeralSequential(k.base+"/lock-", nil, zk.WorldACL(zk.PermAll))
			return []any{err1, "|", err2, "|", err3, "|", err4, "|", err5, "|", strings.HasSuffix(name, "-lock-0000000000"), err6}
		}, "zk: node already exists | zk: node does not exist | zk: version conflict | CreateContainer requires container flag: zk: invalid flags specified | <nil> | true <nil>"},
	}
}

// step is one operation of a multi.
func step(op int, fields ...any) raw { return encode(append([]any{op, false, -1}, fields...)...) }

var endOfMulti = raw(encode(-1, true, -1))

// results prints what a multi answered.
func (k *kit) results(a answer) string {
	k.Helper()
	if a.err != 0 || a.closed {
		return a.String()
	}
	d := decoder{b: a.body}
	var out []string
	for {
		op, done, err := d.int32(), d.bool(), d.int32()
		if d.err != nil {
			k.Fatalf("multi's answer %x", a.body)
		}
		if done {
			return fmt.Sprint(out, len(d.b))
		}
		text := fmt.Sprintf("%d:%d", op, err)
		switch op {
		case opError:
			text = fmt.Sprintf("%d/%d", err, d.int32())
		case opCreate:
			text += strings.TrimPrefix(d.string(), k.base)
		case opCreate2, opCreateContainer, opCreateTTL:
			text += strings.TrimPrefix(d.string(), k.base)
			text += fmt.Sprintf("(v%d)", statOf(k, d.take(68)).version)
		case opSetData:
			text += fmt.Sprintf("(v%d)", statOf(k, d.take(68)).version)
		case opGetData:
			text += fmt.Sprintf("%q(v%d)", d.buffer(), statOf(k, d.take(68)).version)
		case opGetChildren:
			names := d.strings()
			slices.Sort(names)
			text += fmt.Sprint(names)
		}
		out = append(out, text)
	}
}

func multiBehaviours() []behaviour {
	make := func(path string, flags int) raw { return step(opCreate, path, []byte("x"), openACL(), flags) }
	return []behaviour{
		{"each step sees those before", func(k *kit) []any {
			w := k.wire()
			a := w.call(opMulti, make(k.base+"/m", 0), make(k.base+"/m/c", 1), step(opSetData, k.base+"/m", []byte("yy"), 0), step(opCheck, k.base+"/m", 1),
				make(k.base+"/m/s-", 2), make(k.base+"/m/s-", 2), step(opDelete, k.base+"/m/c", 0), step(opCreate2, k.base+"/n", []byte{}, openACL(), 0),
				step(opCreateContainer, k.base+"/k", []byte{}, openACL(), 4), endOfMulti)
			s := statOf(k, w.call(opExists, k.base+"/m", false).body)
			return []any{k.results(a), s.czxid == s.mzxid, s.czxid == a.zxid, s.pzxid == a.zxid, s.ctime == s.mtime, s.cversion, s.numChildren}
		}, "[1:0/m 1:0/m/c 5:0(v1) 13:0 1:0/m/s-0000000001 1:0/m/s-0000000002 2:0 15:0/n(v0) 15:0/k(v0)] 0 true true true true 4 2"},
		{"one that fails is undone as a whole", func(k *kit) []any {
			w := k.wire()
			w.create(k.base + "/old")
			w.create(k.base + "/old/kid")
			w.call(opSetData, k.base+"/old", []byte("was"), -1)
			before := k.stat(w, k.base+"/old", 0)
			top := k.stat(w, k.base, 0)
			a := w.call(opMulti, make(k.base+"/m", 0), step(opSetData, k.base+"/old", []byte("is"), -1), step(opDelete, k.base+"/old/kid", -1), make(k.base+"/old/e-", 3),
				step(opDelete, k.base+"/old/e-0000000001", -1), step(opCheck, k.base+"/old", 9), make(k.base+"/z", 0), step(opDelete, k.base+"/no", -1), endOfMulti)
			data := w.call(opGetData, k.base+"/old", false)
			d := decoder{b: data.body}
			list := w.call(opGetEphemerals, "/")
			return []any{k.results(a), string(d.buffer()), k.stat(w, k.base+"/old", 0) == before, k.stat(w, k.base, 0) == top, w.call(opExists, k.base+"/old/kid", false), w.call(opExists, k.base+"/m", false), hex.EncodeToString(list.body)}
		}, "[0/0 0/0 0/0 0/0 0/0 -103/-103 -2/-2 -2/-2] 0 was true true 0 -101 00000000"},
		{"an empty one is a success and takes a zxid", func(k *kit) []any {
			w := k.wire()
			a := w.call(opDelete, k.base+"/no", -1)
			b := w.call(opMulti, endOfMulti)
			return []any{k.results(b), b.zxid > a.zxid}
		}, "[] 0 true"},
		{"what cannot be in one is a marshalling error, and nothing is done", func(k *kit) []any {
			w := k.wire()
			return []any{
				w.call(opMulti, make(k.base+"/m", 0), step(opGetACL, k.base), endOfMulti), w.call(opMulti, make(k.base+"/m", 0), step(opSetACL, k.base, openACL(), -1), endOfMulti),
				w.call(opMulti, make(k.base+"/m", 0)), w.call(opMulti), w.call(opMulti, make(k.base+"/m", 0), step(opDelete, k.base)), w.call(opExists, k.base+"/m", false),
			}
		}, "-5 -5 -5 -5 -5 -101"},
		{"errors inside are those of the single requests", func(k *kit) []any {
			w := k.wire()
			one := func(s raw) string { return k.results(w.call(opMulti, s, endOfMulti)) }
			return []any{one(make(k.base, 0)), one(make(k.base+"/no/x", 0)), one(step(opDelete, k.base+"/no", -1)), one(step(opCheck, k.base+"/no", -1)), one(step(opSetData, k.base, []byte{}, 8)),
				one(make("bad", 0)), one(make(k.base+"/x", 9)), one(step(opCreateTTL, k.base+"/x", []byte{}, openACL(), 5, int64(5))), one(step(opCreate, k.base+"/x", []byte{}, acl(nil), 0)), one(step(opCheck, "bad", 0))}
		}, "[-110/-110] 0 [-101/-101] 0 [-101/-101] 0 [-101/-101] 0 [-103/-103] 0 [-8/-8] 0 -5 [-6/-6] 0 [-114/-114] 0 [-8/-8] 0"},
		{"a multiRead answers each by itself", func(k *kit) []any {
			w := k.wire()
			w.create(k.base + "/a")
			w.create(k.base + "/a/b")
			get := func(path string) raw { return step(opGetData, path, false) }
			kids := func(path string) raw { return step(opGetChildren, path, false) }
			return []any{k.results(w.call(opMultiRead, get(k.base+"/a"), get(k.base+"/no"), kids(k.base+"/a"), kids(k.base+"/no"), endOfMulti)), k.results(w.call(opMultiRead, endOfMulti)),
				w.call(opMultiRead, step(opExists, k.base, false), endOfMulti)}
		}, `[4:0"x"(v0) -101/-101 8:0[b] -101/-101] 0 [] 0 -5`},
		{"the go client's multi", func(k *kit) []any {
			c := dial(k, k.addr)
			world := zk.WorldACL(zk.PermAll)
			r, err := c.Multi(&zk.CreateRequest{Path: k.base + "/g", Acl: world}, &zk.SetDataRequest{Path: k.base + "/g", Data: []byte("1"), Version: 0}, &zk.CheckVersionRequest{Path: k.base + "/g", Version: 1}, &zk.DeleteRequest{Path: k.base + "/g", Version: 1})
			bad, badErr := c.Multi(&zk.CheckVersionRequest{Path: k.base, Version: 3}, &zk.CreateRequest{Path: k.base + "/h", Acl: world})
			return []any{k.short(r[0].String), r[1].Stat.Version, err, "|", bad[0].Error, bad[1].Error, badErr}
		}, "[/g] 1 <nil> | zk: version conflict unknown error: -2 zk: version conflict"},
	}
}

func watchBehaviours() []behaviour {
	exists := func(w *wire, path string) answer { return w.call(opExists, path, true) }
	get := func(w *wire, path string) answer { return w.call(opGetData, path, true) }
	kids := func(w *wire, path string) answer { return w.call(opGetChildren2, path, true) }
	set := func(w *wire, path string) answer { return w.call(opSetData, path, []byte("s"), -1) }
	remove := func(w *wire, path string) answer { return w.call(opDelete, path, -1) }
	return []behaviour{
		{"a watch of exists sees the creation, once, before the answer", func(k *kit) []any {
			w := k.wire()
			a := exists(w, k.base+"/w")
			b := w.create(k.base + "/w")
			events := slices.Clone(w.events)
			set(w, k.base+"/w")
			return []any{a, b, events, w.heard()}
		}, "-101 0 [1:/w] [1:/w]"},
		{"a watch of getData sees one change", func(k *kit) []any {
			w, o := k.wire(), k.wire()
			get(w, k.base)
			set(o, k.base)
			set(o, k.base)
			return []any{w.heard()}
		}, "[3:]"},
		{"a watch of the children sees one coming and going, not changing", func(k *kit) []any {
			w, o := k.wire(), k.wire()
			kids(w, k.base)
			o.create(k.base + "/a")
			o.create(k.base + "/b")
			first := w.heard()
			kids(w, k.base)
			set(o, k.base+"/a")
			second := w.heard()
			remove(o, k.base+"/a")
			return []any{first, second, w.heard()}
		}, "[4:] [] [4:]"},
		{"a deletion is told once to one who watches data and children", func(k *kit) []any {
			w, o := k.wire(), k.wire()
			o.create(k.base + "/b")
			kids(w, k.base)
			get(w, k.base+"/b")
			kids(w, k.base+"/b")
			exists(w, k.base+"/b")
			remove(o, k.base+"/b")
			return []any{w.heard()}
		}, "[2:/b 4:]"},
		{"a read that fails leaves no watch, but exists does", func(k *kit) []any {
			w, o := k.wire(), k.wire()
			a, b := get(w, k.base+"/w"), kids(w, k.base+"/w")
			o.create(k.base + "/w")
			return []any{a, b, w.heard()}
		}, "-101 -101 []"},
		{"setACL and failed writes are seen by nobody", func(k *kit) []any {
			w, o := k.wire(), k.wire()
			get(w, k.base)
			kids(w, k.base)
			exists(w, k.base+"/x")
			o.call(opSetACL, k.base, openACL(), -1)
			o.call(opDelete, k.base, 7)
			o.call(opMulti, step(opCreate, k.base+"/x", []byte{}, openACL(), 0), step(opCheck, k.base, 9), endOfMulti)
			return []any{w.heard()}
		}, "[]"},
		{"a multi's events come in its order, after all of it", func(k *kit) []any {
			w, o := k.wire(), k.wire()
			exists(w, k.base+"/x")
			kids(w, k.base)
			get(w, k.base)
			o.call(opMulti, step(opCreate, k.base+"/x", []byte{}, openACL(), 0), step(opSetData, k.base+"/x", []byte{}, 0), step(opDelete, k.base+"/x", 1), step(opSetData, k.base, []byte{}, -1), endOfMulti)
			return []any{w.heard()}
		}, "[1:/x 4: 3:]"},
		{"the end of a session deletes what it owns and tells", func(k *kit) []any {
			w, o := k.wire(), k.wire()
			o.call(opCreate, k.base+"/e", []byte{}, openACL(), 1)
			o.call(opCreate, k.base+"/f", []byte{}, openACL(), 1)
			exists(w, k.base+"/e")
			exists(w, k.base+"/f")
			kids(w, k.base)
			a := o.call(opCloseSession)
			events := w.heard()
			slices.Sort(events)
			s := statOf(k, w.call(opExists, k.base, false).body)
			return []any{a, events, s.pzxid == a.zxid, s.cversion, s.numChildren}
		}, "0 [2:/e 2:/f 4:] true 4 0"},
		{"a persistent watch stays and sees the children", func(k *kit) []any {
			w, o := k.wire(), k.wire()
			a := w.call(opAddWatch, k.base+"/p", 0)
			o.create(k.base + "/p")
			set(o, k.base+"/p")
			o.create(k.base + "/p/c")
			set(o, k.base+"/p/c")
			o.create(k.base + "/p/c/d")
			remove(o, k.base+"/p/c/d")
			remove(o, k.base+"/p/c")
			remove(o, k.base+"/p")
			o.create(k.base + "/p")
			return []any{a, hex.EncodeToString(a.body), w.heard()}
		}, "0 00000000 [1:/p 3:/p 4:/p 4:/p 2:/p 1:/p]"},
		{"a recursive watch sees everything below, but no children events", func(k *kit) []any {
			w, o := k.wire(), k.wire()
			a := w.call(opAddWatch, k.base+"/p", 1)
			o.create(k.base + "/p")
			set(o, k.base+"/p")
			o.create(k.base + "/p/c")
			set(o, k.base+"/p/c")
			o.create(k.base + "/p/c/d")
			o.create(k.base + "/px")
			remove(o, k.base+"/p/c/d")
			remove(o, k.base+"/p/c")
			remove(o, k.base+"/p")
			return []any{a, w.heard(), w.call(opAddWatch, k.base, 2)}
		}, "0 [1:/p 3:/p 1:/p/c 3:/p/c 1:/p/c/d 2:/p/c/d 2:/p/c 2:/p] -5"},
		{"watches can be asked for and removed", func(k *kit) []any {
			w, o := k.wire(), k.wire()
			w.call(opAddWatch, k.base+"/p", 1)
			get(w, k.base)
			kids(w, k.base)
			check := func(path string, kind int) answer { return w.call(opCheckWatches, path, kind) }
			drop := func(path string, kind int) answer { return w.call(opRemoveWatches, path, kind) }
			out := []any{check(k.base, 1), check(k.base, 2), check(k.base, 3), check(k.base+"/p", 3), check(k.base+"/q", 3), "|",
				drop(k.base, 1), check(k.base, 1), check(k.base, 2), drop(k.base, 3), drop(k.base, 3), drop(k.base+"/p", 3), drop(k.base+"/p", 3), drop(k.base, 2)}
			set(o, k.base)
			o.create(k.base + "/p")
			return append(out, w.heard())
		}, "0 0 0 0 -121 | 0 -121 0 0 -121 0 -121 -121 []"},
		{"watches set again tell what was missed", func(k *kit) []any {
			w, o := k.wire(), k.wire()
			for _, name := range []string{"same", "set", "gone", "kids"} {
				w.create(k.base + "/" + name)
			}
			since := w.zxid
			set(o, k.base+"/set")
			remove(o, k.base+"/gone")
			o.create(k.base + "/kids/x")
			o.create(k.base + "/came")
			at := func(names ...string) []string {
				var paths []string
				for _, n := range names {
					paths = append(paths, k.base+"/"+n)
				}
				return paths
			}
			a := w.call(opSetWatches, since, at("same", "set", "gone"), at("came", "never"), at("kids", "same", "gone"))
			told := w.heard()
			slices.Sort(told)
			set(o, k.base+"/same")
			o.create(k.base + "/never")
			o.create(k.base + "/same/x")
			set(o, k.base+"/set")
			return []any{a, told, w.heard()}
		}, "0 [1:/came 2:/gone 2:/gone 3:/set 4:/kids] [3:/same 1:/never 4:/same]"},
		{"setWatches2 brings back those that stay", func(k *kit) []any {
			w, o := k.wire(), k.wire()
			none := []string{}
			a := w.call(opSetWatches2, w.zxid, none, none, none, []string{k.base + "/p"}, []string{k.base + "/r"})
			o.create(k.base + "/p")
			o.create(k.base + "/p/c")
			o.create(k.base + "/r")
			o.create(k.base + "/r/c")
			return []any{a, w.heard()}
		}, "0 [1:/p 4:/p 1:/r 1:/r/c]"},
		{"watches go with the connection, not with the session", func(k *kit) []any {
			w, o := k.wire(), k.wire()
			get(w, k.base)
			again := dialWire(k, k.addr)
			again.base = k.base
			again.handshake(hello{timeout: 10000, id: w.id, password: w.secret})
			set(o, k.base)
			return []any{again.heard()}
		}, "[]"},
		{"who may not read is not told", func(k *kit) []any {
			w, o := k.wire(), k.wire()
			o.call(opAuth, 0, "digest", []byte("u:p"))
			exists(w, k.base+"/secret")
			w.call(opAddWatch, k.base+"/other", 0)
			mine := acl{{permAll, identity{"auth", ""}}}
			a := o.call(opCreate, k.base+"/secret", []byte{}, mine, 0)
			b := o.call(opCreate, k.base+"/other", []byte{}, mine, 0)
			o.call(opSetData, k.base+"/other", []byte{}, -1)
			return []any{a, b, w.heard()}
		}, "0 0 []"},
		{"the go client's watches survive a lost connection", func(k *kit) []any {
			var nc net.Conn
			c, events, err := zk.Connect([]string{k.addr}, 10*time.Second, zk.WithLogger(quiet{}), zk.WithDialer(func(network, addr string, timeout time.Duration) (net.Conn, error) {
				var err error
				nc, err = net.DialTimeout(network, addr, timeout)
				return nc, err
			}))
			if err != nil {
				k.Fatal(err)
			}
			defer c.Close()
			connected := func() {
				for e := range events {
					if e.State == zk.StateHasSession {
						return
					}
				}
			}
			connected()
			id := c.SessionID()
			_, _, changed, _ := c.GetW(k.base)
			_, _, came, _ := c.ExistsW(k.base + "/came")
			_, _, later, _ := c.ExistsW(k.base + "/later")
			nc.Close()
			o := k.wire()
			set(o, k.base)
			o.create(k.base + "/came")
			connected()
			first, second := next(k, changed).Type, next(k, came).Type
			o.create(k.base + "/later")
			return []any{first, second, next(k, later).Type, c.SessionID() == id}
		}, "EventNodeDataChanged EventNodeCreated EventNodeCreated true"},
	}
}

func accessBehaviours() []behaviour {
	list := func(x ...access) acl { return x }
	auth := acl{{permAll, identity{"auth", ""}}}
	userHash := identity{"digest", "u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ="}
	login := func(w *wire, who string) answer { return w.call(opAuth, 0, "digest", []byte(who)) }
	acls := func(a answer) string {
		if a.err != 0 {
			return a.String()
		}
		d := decoder{b: a.body}
		return fmt.Sprint(decodeACL(&d))
	}
	return []behaviour{
		{"auth stands for whom the client has proved to be", func(k *kit) []any {
			w := k.wire()
			a := w.call(opCreate, k.base+"/a", []byte{}, auth, 0)
			b := login(w, "u:p")
			c := w.call(opCreate, k.base+"/a", []byte{}, auth, 0)
			return []any{a, b, b.zxid, c, acls(w.call(opGetACL, k.base+"/a"))}
		}, "-114 0 0 0 [{31 {digest u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=}}]"},
		{"each right is asked where it belongs", func(k *kit) []any {
			w, o := k.wire(), k.wire()
			login(o, "u:p")
			o.call(opCreate, k.base+"/a", []byte{}, auth, 0)
			o.create(k.base + "/a/kid")
			return []any{
				w.call(opGetData, k.base+"/a", false), w.call(opGetChildren, k.base+"/a", false), w.call(opExists, k.base+"/a", false), w.call(opGetACL, k.base+"/a"), w.call(opSetData, k.base+"/a", []byte{}, -1),
				w.call(opSetData, k.base+"/a", []byte{}, 7), w.create(k.base + "/a/b"), w.create(k.base + "/a/kid"), w.call(opDelete, k.base+"/a/kid", -1), w.call(opDelete, k.base+"/a/no", -1), w.call(opSetACL, k.base+"/a", openACL(), -1),
				w.call(opGetAllChildrenNumber, k.base+"/a"), k.results(w.call(opMulti, step(opCheck, k.base+"/a", 0), endOfMulti)), k.results(w.call(opMultiRead, step(opGetData, k.base+"/a", false), endOfMulti)), w.call(opSync, k.base+"/a"),
				"|", w.call(opGetData, k.base+"/a/kid", false), w.call(opDelete, k.base+"/a", -1),
				"|", login(w, "u:p"), w.call(opGetData, k.base+"/a", false), w.call(opDelete, k.base+"/a/kid", -1), w.call(opDelete, k.base+"/a", -1),
			}
		}, "-102 -102 -102 -102 -102 -102 -102 -102 -102 -102 -102 -102 [-102/-102] 0 [-102/-102] 0 0 | 0 -111 | 0 0 0 0"},
		{"hashes are shown to those who may change the list", func(k *kit) []any {
			w := k.wire()
			login(w, "a:b")
			w.call(opCreate, k.base+"/a", []byte{}, list(access{permAdmin, userHash}, access{permRead, identity{"world", "anyone"}}), 0)
			before := acls(w.call(opGetACL, k.base+"/a"))
			login(w, "u:p")
			return []any{before, acls(w.call(opGetACL, k.base+"/a"))}
		}, "[{16 {digest u:x}} {1 {world anyone}}] [{16 {digest u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=}} {1 {world anyone}}]"},
		{"lists are checked", func(k *kit) []any {
			w := k.wire()
			make := func(id identity) answer {
				return w.call(opCreate, k.base+"/x-", []byte{}, list(access{permAll, id}), 2)
			}
			return []any{
				make(identity{"world", "me"}), make(identity{"digest", "nocolon"}), make(identity{"digest", "a:b:c"}), make(userHash), make(identity{"ip", "nonsense"}), make(identity{"ip", "127.0.0.1"}), make(identity{"ip", "10.0.0.0/8"}),
				make(identity{"ip", "10.0.0.0/99"}), make(identity{"sasl", "kafka"}), make(identity{"super", "x"}), make(identity{"", ""}),
				w.call(opSetACL, k.base+"/no", openACL(), -1), w.call(opSetACL, k.base+"/no", acl(nil), -1), w.call(opSetACL, k.base, openACL(), 4), w.call(opSetACL, k.base, openACL(), 0), w.call(opSetACL, k.base, openACL(), 0), w.call(opSetACL, "bad", openACL(), 0),
			}
		}, "-114 -114 -114 0 -114 0 0 -114 -114 -114 -114 -101 -114 -103 0 -103 -8"},
		{"addresses are identities", func(k *kit) []any {
			w := k.wire()
			w.call(opCreate, k.base+"/here", []byte{}, list(access{permAll, identity{"ip", "127.0.0.1"}}), 0)
			w.call(opCreate, k.base+"/net", []byte{}, list(access{permAll, identity{"ip", "127.0.0.0/8"}}), 0)
			w.call(opCreate, k.base+"/away", []byte{}, list(access{permAll, identity{"ip", "10.1.2.3"}}), 0)
			return []any{w.call(opGetData, k.base+"/here", false), w.call(opGetData, k.base+"/net", false), w.call(opGetData, k.base+"/away", false)}
		}, "0 0 -102"},
		{"double entries are kept once, but not those that auth doubles", func(k *kit) []any {
			w := k.wire()
			login(w, "u:p")
			w.call(opCreate, k.base+"/a", []byte{}, list(auth[0], access{permAll, userHash}, access{permRead, userHash}, auth[0]), 0)
			return []any{acls(w.call(opGetACL, k.base+"/a"))}
		}, "[{31 {digest u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=}} {31 {digest u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=}} {1 {digest u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=}}]"},
		{"an unknown scheme ends the connection", func(k *kit) []any {
			w := k.wire()
			w.send(-4, opAuth, 0, "bogus", []byte("x"))
			a := w.receive()
			return []any{a, a.xid, a.zxid, w.receive()}
		}, "-115 -4 0 closed"},
		{"whoami tells the identities", func(k *kit) []any {
			w := k.wire()
			login(w, "u:p")
			login(w, "u:p")
			login(w, "plain")
			a := w.call(opWhoAmI)
			d := decoder{b: a.body}
			var out []string
			for range d.int32() {
				out = append(out, d.string()+"="+d.string())
			}
			slices.Sort(out)
			return []any{a, out}
		}, "0 [digest=plain digest=u ip=127.0.0.1]"},
	}
}

func sessionBehaviours() []behaviour {
	return []behaviour{
		{"time-outs are bounded and the answer is as long as was asked", func(k *kit) []any {
			short, long, go1 := dialWire(k, k.addr), dialWire(k, k.addr), dialWire(k, k.addr)
			a, b, _ := short.handshake(hello{timeout: 1, java: true, password: make([]byte, 16)})
			c, d, _ := long.handshake(hello{timeout: 1 << 30})
			_, e, id := go1.handshake(hello{timeout: 10000})
			return []any{a, b, c, d, e, id > 0, len(go1.secret)}
		}, "37 4000 36 40000 10000 true 16"},
		{"a client from the future is turned away without a word", func(k *kit) []any {
			w := dialWire(k, k.addr)
			n, _, _ := w.handshake(hello{seen: 1 << 62, timeout: 10000})
			return []any{n}
		}, "0"},
		{"a session is resumed with its password, and the older connection goes", func(k *kit) []any {
			w := k.wire()
			w.call(opCreate, k.base+"/e", []byte{}, openACL(), 1)
			again := dialWire(k, k.addr)
			n, timeout, id := again.handshake(hello{seen: w.zxid, timeout: 5000, id: w.id, password: w.secret, java: true})
			return []any{n, timeout, id == w.id, bytes.Equal(again.secret, w.secret), w.receive(), strings.Contains(k.stat(again, k.base+"/e", 0), "owner=me")}
		}, "37 5000 true true closed true"},
		{"a wrong password is an expired session, and the older connection goes all the same", func(k *kit) []any {
			w := k.wire()
			thief := dialWire(k, k.addr)
			n, timeout, id := thief.handshake(hello{timeout: 5000, id: w.id, password: make([]byte, 16)})
			return []any{n, timeout, id, hex.EncodeToString(thief.secret), thief.receive(), w.receive()}
		}, "36 0 0 00000000000000000000000000000000 closed closed"},
		{"an unknown session is an expired one", func(k *kit) []any {
			w := dialWire(k, k.addr)
			n, timeout, id := w.handshake(hello{timeout: 5000, id: 4711, password: make([]byte, 16), java: true})
			return []any{n, timeout, id, w.receive()}
		}, "37 0 0 closed"},
		{"a closed session is gone, with what it owned", func(k *kit) []any {
			w, o := k.wire(), k.wire()
			w.call(opCreate, k.base+"/e", []byte{}, openACL(), 1)
			w.send(0, opCloseSession)
			a, b := w.receive(), w.receive()
			again := dialWire(k, k.addr)
			_, timeout, _ := again.handshake(hello{timeout: 5000, id: w.id, password: w.secret})
			return []any{a, b, timeout, o.call(opExists, k.base+"/e", false)}
		}, "0 closed 0 -101"},
		{"a lost connection ends no session", func(k *kit) []any {
			w, o := k.wire(), k.wire()
			w.call(opCreate, k.base+"/e", []byte{}, openACL(), 1)
			w.nc.Close()
			return []any{o.call(opExists, k.base+"/e", false)}
		}, "0"},
		{"a silent session ends when its time is over, and its connection is cut", func(k *kit) []any {
			o, w := k.wire(), dialWire(k, k.addr)
			w.handshake(hello{timeout: 4000})
			w.call(opCreate, k.base+"/e", []byte{}, openACL(), 1)
			o.call(opExists, k.base+"/e", true)
			begin := time.Now()
			a := w.receive()
			took := time.Since(begin)
			again := dialWire(k, k.addr)
			_, timeout, _ := again.handshake(hello{timeout: 5000, id: w.id, password: w.secret})
			return []any{a, took > 3500*time.Millisecond && took < 9*time.Second, o.heard(), timeout}
		}, "closed true [2:/e] 0"},
		{"pings keep a session", func(k *kit) []any {
			o, w := k.wire(), dialWire(k, k.addr)
			w.handshake(hello{timeout: 4000})
			w.call(opCreate, k.base+"/e", []byte{}, openACL(), 1)
			ticker := time.NewTicker(time.Second)
			defer ticker.Stop()
			for range 7 {
				<-ticker.C
				w.send(-2, opPing)
				if a := w.receive(); a.xid != -2 || a.err != 0 || len(a.body) != 0 {
					k.Errorf("ping: %+v", a)
				}
			}
			return []any{o.call(opExists, k.base+"/e", false)}
		}, "0"},
		{"an ephemeral queued behind the end of its session does not stay", func(k *kit) []any {
			w, o := k.wire(), k.wire()
			w.send(1, opCloseSession)
			w.send(2, opCreate, k.base+"/e", []byte{}, openACL(), 1)
			a := w.receive()
			return []any{a, o.call(opExists, k.base+"/e", false)}
		}, "0 -101"},
	}
}

func frameBehaviours() []behaviour {
	return []behaviour{
		{"a record too short is an error, and the connection goes on", func(k *kit) []any {
			w := k.wire()
			return []any{
				w.call(opGetData), w.call(opGetData, raw{0, 0, 0, 9, 'x'}), w.call(opExists, raw{0x7f, 0xff, 0xff, 0xff}), w.call(opCreate, k.base+"/x"), w.call(opSetData, k.base), w.call(opDelete, k.base), w.call(opGetChildren2, k.base),
				w.call(opCreate, k.base+"/x", []byte{}, 1<<30, 0), w.call(opSetWatches, int64(0)), w.call(opSetACL), w.call(opGetACL), w.call(opSync), w.call(opAddWatch), w.call(opRemoveWatches, k.base), w.call(opGetEphemerals), w.call(opExists, k.base, false),
			}
		}, "-5 -5 -5 -5 -5 -5 -5 -5 -5 -5 -5 -5 -5 -5 -5 0"},
		{"what follows a record is not read", func(k *kit) []any {
			w := k.wire()
			return []any{w.call(opExists, k.base, false, raw("garbage")), w.call(opSetData, k.base, []byte{}, -1, raw("garbage"))}
		}, "0 0"},
		{"an unknown request ends the connection", func(k *kit) []any {
			w := k.wire()
			return []any{w.call(4711), w.receive()}
		}, "-6 closed"},
		{"a check outside a multi ends the connection", func(k *kit) []any {
			w := k.wire()
			return []any{w.call(opCheck, k.base, -1)}
		}, "closed"},
		{"SASL is answered with null", func(k *kit) []any {
			w := k.wire()
			a := w.call(opSASL, []byte("token"))
			return []any{a, a.zxid, hex.EncodeToString(a.body)}
		}, "0 0 ffffffff"},
		{"a reconfiguration is refused", func(k *kit) []any {
			w := k.wire()
			return []any{w.call(opReconfig, "", "", "", int64(-1)), w.call(opExists, k.base, false)}
		}, "-123 0"},
		{"a frame too long ends the connection without a word", func(k *kit) []any {
			w, v := k.wire(), k.wire()
			w.nc.Write(encode(maxFrame + 1))
			v.nc.Write(encode(-5))
			return []any{w.receive(), v.receive()}
		}, "closed closed"},
		{"the longest frame is taken", func(k *kit) []any {
			w := k.wire()
			overhead := len(encode(int32(0), int32(0), k.base+"/big", []byte{}, openACL(), 0))
			return []any{w.call(opCreate, k.base+"/big", make([]byte, maxFrame-overhead), openACL(), 0), statOf(k, w.call(opExists, k.base+"/big", false).body).dataLength > 1<<19}
		}, "0 true"},
		{"a frame without a header ends the connection", func(k *kit) []any {
			w, v := k.wire(), k.wire()
			w.frame([]byte{1, 2, 3})
			v.frame(nil)
			return []any{w.receive(), v.receive()}
		}, "closed closed"},
		{"a handshake too short ends the connection", func(k *kit) []any {
			w := dialWire(k, k.addr)
			w.frame(make([]byte, 20))
			return []any{w.receive()}
		}, "closed"},
		{"answers come in the order of the requests", func(k *kit) []any {
			w := k.wire()
			for i := range int32(200) {
				if i%3 == 0 {
					w.send(i, opSetData, k.base, []byte("x"), -1)
				} else {
					w.send(i, opGetData, k.base, false)
				}
			}
			for i := range int32(200) {
				if a := w.receive(); a.xid != i {
					return []any{"answer", a.xid, "instead of", i}
				}
			}
			return []any{"in order"}
		}, "in order"},
		{"four letters are answered", func(k *kit) []any {
			say := func(word string) string {
				nc, err := net.Dial("tcp", k.addr)
				if err != nil {
					k.Fatal(err)
				}
				defer nc.Close()
				nc.Write([]byte(word))
				b, _ := io.ReadAll(nc)
				return string(b)
			}
			mntr := say("mntr")
			var missing []string
			for _, key := range strings.Fields("version server_state znode_count watch_count ephemerals_count num_alive_connections outstanding_requests avg_latency approximate_data_size global_sessions packets_received") {
				if !strings.Contains(mntr, "zk_"+key+"\t") {
					missing = append(missing, key)
				}
			}
			w := k.wire()
			w.call(opExists, k.base, false)
			cons := say("cons") // the go client's parsers of srvr and cons do not understand 3.8
			return []any{
				say("ruok"), say("isro"), missing, strings.HasPrefix(say("srvr"), "Zookeeper version: 3.8.4-"), strings.Contains(say("stat"), "\nMode: standalone\n"), strings.Contains(say("dump"), "SessionTracker dump:"), strings.Contains(say("wchs"), "Total watches:"),
				zk.FLWRuok([]string{k.addr}, 5*time.Second), strings.Contains(cons, fmt.Sprintf("sid=0x%x,lop=EXIS,", w.id)), say("xxxx") == "",
			}
		}, "imok rw [] true true true true [true] true true"},
	}
}
