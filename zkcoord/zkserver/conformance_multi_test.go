package zkserver

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/go-zookeeper/zk"
)

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

// multiBehaviours are those of several operations in one request.
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
