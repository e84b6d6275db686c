package main

import (
	"encoding/binary"
	"testing"
)

func TestTheSnifferSeesASession(t *testing.T) {
	hello := binary.BigEndian.AppendUint32(nil, 36)
	hello = binary.BigEndian.AppendUint32(hello, 0)
	hello = binary.BigEndian.AppendUint32(hello, 4000)
	hello = binary.BigEndian.AppendUint64(hello, 0x1234)
	hello = binary.BigEndian.AppendUint32(hello, 16)
	hello = append(hello, "0123456789abcdef and what follows"...)
	for step := 1; step <= len(hello); step++ {
		var found []session
		s := &sniffer{found: func(s session) { found = append(found, s) }}
		for at := 0; at < len(hello); at += step {
			s.read(hello[at:min(at+step, len(hello))])
		}
		if len(found) != 1 || found[0].id != 0x1234 || string(found[0].password) != "0123456789abcdef" {
			t.Fatalf("%d bytes at a time: %v", step, found)
		}
	}
}
