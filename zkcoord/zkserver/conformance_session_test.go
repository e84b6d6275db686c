package zkserver

import (
	"bytes"
	"encoding/hex"
	"strings"
	"time"
)

// sessionBehaviours are those of sessions and connections.
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
			begin := time.Now() // before the last that the server hears of it, or a slow machine makes it look early
			w.call(opCreate, k.base+"/e", []byte{}, openACL(), 1)
			o.call(opExists, k.base+"/e", true)
			a := w.receive()
			took := time.Since(begin)
			again := dialWire(k, k.addr)
			_, timeout, _ := again.handshake(hello{timeout: 5000, id: w.id, password: w.secret})
			return []any{a, took > 3500*time.Millisecond && took < 20*time.Second, o.heard(), timeout}
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
