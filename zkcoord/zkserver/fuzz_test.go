package zkserver

import (
	"bytes"
	"errors"
	"maps"
	"net"
	"slices"
	"testing"
	"time"
)

// FuzzFrame sends frames of anything after a handshake of anything. Nothing may panic, the tree must stay in
// order, and a small frame must not take much memory.
func FuzzFrame(f *testing.F) {
	hand := encode(0, int64(0), 10000, int64(0), []byte(nil))
	f.Add(hand, encode(1, opCreate, "/a", []byte("x"), openACL(), 3), encode(2, opMulti, step(opCreate, "/a", []byte("x"), openACL(), 0), step(opSetData, "/a", []byte("x"), 7), endOfMulti))
	f.Add(hand, encode(1, opSetWatches2, int64(0), []string{"/"}, []string{"/x"}, []string{"/"}, []string{"/p"}, []string{"/r"}), encode(2, opCreate, "/x", []byte{}, openACL(), 1))
	f.Add(hand, encode(1, opMultiRead, step(opGetData, "/", true), step(opGetChildren, "/", true), endOfMulti), encode(2, opAuth, 0, "digest", []byte("u:p")))
	f.Add(hand, encode(1, opSetACL, "/", acl{{31, identity{"auth", ""}}}, -1), encode(2, opCreateTTL, "/t-", []byte{}, openACL(), 6, int64(5)))
	for _, op := range []int{opDelete, opExists, opGetACL, opSync, opPing, opCheck, opReconfig, opCheckWatches, opRemoveWatches, opSASL, opGetEphemerals, opGetAllChildrenNumber, opAddWatch, opWhoAmI, opCloseSession, 99} {
		f.Add(hand, encode(1, op, "/zookeeper", 3), encode(2, op, "/", false))
	}
	f.Fuzz(func(t *testing.T, handshake, first, second []byte) {
		s, err := newServer(Options{ExtendedTypes: true}.withDefaults()) // it does not run: what is asked is answered in place
		if err != nil {
			t.Fatal(err)
		}
		ours, theirs := net.Pipe()
		defer ours.Close()
		c := newConn(s, theirs)
		defer c.drop()
		if goesOn, _ := s.handshake(c, handshake); !goesOn {
			return
		}
		for _, frame := range [][]byte{first, second} {
			if goesOn, _ := s.handle(c, frame); !goesOn {
				break
			}
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if err := s.mu.db.check(); err != nil {
			t.Error(err)
		}
		if limit := 64<<10 + 50*(len(first)+len(second)); cap(c.mu.out) > limit {
			t.Errorf("%d and %d bytes are answered with %d", len(first), len(second), cap(c.mu.out))
		}
	})
}

// FuzzLog reads log files of anything. What is read without an error makes a state in order, and a file that
// is cut where readLog says reads the same again.
func FuzzLog(f *testing.F) {
	file := logHeader(1)
	f.Add(slices.Clone(file))
	for i, c := range []change{
		{kind: changeOpenSession, session: 5, timeout: time.Second}, {kind: changeCreate, path: "/a", data: []byte("x"), acl: openACL(), session: 5},
		{kind: changeSetData, path: "/a"}, {kind: changeSetACL, path: "/a", acl: readOnlyACL()}, {kind: changeCreate, path: "/b", acl: openACL(), session: ownerContainer},
		{kind: changeCloseSession, session: 5}, {kind: changeDelete, path: "/b"},
	} {
		var e encoder
		record{zxid: int64(i + 1), time: 7, changes: []change{c}}.encode(&e)
		file = appendGroup(file, int64(len(file)), e.b)
		f.Add(slices.Clone(file))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		read := func(file []byte) (*database, int64, error) {
			db := newDatabase(nil)
			end, err := readLog(file, 1, db.replay)
			return db, end, err
		}
		db, end, err := read(file)
		if err != nil {
			if !errors.Is(err, errDamaged) {
				t.Errorf("error %v", err)
			}
			return
		}
		if end > int64(len(file)) {
			t.Fatalf("ends at %d of %d", end, len(file))
		}
		again, endAgain, err := read(file[:end])
		if err != nil || endAgain != end || !slices.Equal(slices.Sorted(maps.Keys(db.nodes)), slices.Sorted(maps.Keys(again.nodes))) {
			t.Errorf("cut at %d: %d, %v", end, endAgain, err)
		}
	})
}

// FuzzRecord puts changes of anything into a group that is whole, which FuzzLog will hardly ever find.
func FuzzRecord(f *testing.F) {
	var e encoder
	record{zxid: 1, time: 7, changes: []change{{kind: changeCreate, path: "/a", acl: openACL(), session: 5}, {kind: changeCloseSession, session: 5}}}.encode(&e)
	f.Add(e.b)
	f.Fuzz(func(t *testing.T, records []byte) {
		db := newDatabase(nil)
		file := appendGroup(logHeader(1), logHeaderSize, records)
		if _, err := readLog(file, 1, db.replay); err != nil && !errors.Is(err, errDamaged) {
			t.Errorf("error %v", err)
		}
	})
}

// FuzzSnapshot reads snapshots of anything, with a checksum that fits. One that is taken is written the same.
func FuzzSnapshot(f *testing.F) {
	db := newDatabase([]byte("secret"))
	db.apply(change{kind: changeOpenSession, session: 5, timeout: time.Second}, 1, 1, nil)
	db.apply(change{kind: changeCreate, path: "/a", acl: openACL(), session: 5}, 2, 1, nil)
	content := encodeSnapshot(db, 1)
	f.Add(content[:len(content)-4])
	f.Fuzz(func(t *testing.T, content []byte) {
		sum := encode(int(int32(checksum(content))))
		db, err := decodeSnapshot(slices.Concat(content, sum), 1)
		if err != nil {
			if !errors.Is(err, errDamaged) {
				t.Errorf("error %v", err)
			}
			return
		}
		again, err := decodeSnapshot(encodeSnapshot(db, 1), 1)
		if err != nil || len(again.nodes) != len(db.nodes) || !bytes.Equal(again.secret, db.secret) {
			t.Errorf("written again: %v", err)
		}
	})
}
