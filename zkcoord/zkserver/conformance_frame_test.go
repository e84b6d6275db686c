package zkserver

import (
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/go-zookeeper/zk"
)

// frameBehaviours are those below the requests.
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
