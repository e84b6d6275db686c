package zkserver

import (
	"encoding/hex"
	"net"
	"slices"
	"time"

	"github.com/go-zookeeper/zk"
)

// watchBehaviours are those of events.
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
