package zkserver

import (
	"fmt"
	"slices"
)

// accessBehaviours are those of access lists and identities.
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
