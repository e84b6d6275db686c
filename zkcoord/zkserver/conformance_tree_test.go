package zkserver

import (
	"encoding/hex"
	"slices"
	"strings"

	"github.com/go-zookeeper/zk"
)

// treeBehaviours are those of single nodes.
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
