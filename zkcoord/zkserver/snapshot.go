package zkserver

import (
	"bytes"
	"fmt"
	"time"
)

const snapshotMagic = "OTTLAZKS"

// encodeSnapshot writes the whole state as the content of snapshot file number n; doc.go draws it.
func encodeSnapshot(db *database, number int64) []byte {
	e := encoder{make([]byte, 0, 4096+db.bytes+int64(len(db.nodes))*110)}
	e.b = append(e.b, snapshotMagic...)
	e.int32(formatVersion)
	e.int64(number)
	e.int64(db.zxid)
	e.int64(db.lastSession)
	e.buffer(db.secret)
	e.int32(int32(len(db.sessions)))
	for id, timeout := range db.sessions {
		e.int64(id)
		e.int32(int32(timeout.Milliseconds()))
	}
	e.int32(int32(len(db.nodes)))
	for path, n := range db.nodes {
		e.string(path)
		e.buffer(n.data)
		n.acl.encode(&e)
		e.int64(n.czxid)
		e.int64(n.mzxid)
		e.int64(n.pzxid)
		e.int64(n.ctime)
		e.int64(n.mtime)
		e.int32(n.version)
		e.int32(n.aversion)
		e.int32(n.creates)
		e.int64(n.owner)
	}
	e.int32(int32(checksum(e.b)))
	return e.b
}

// nodeSize is the least that a node takes in a snapshot.
const nodeSize = 4 + 4 + 4 + 5*8 + 3*4 + 8

func decodeSnapshot(b []byte, number int64) (*database, error) {
	head := encoder{[]byte(snapshotMagic)}
	head.int32(formatVersion)
	head.int64(number)
	if !bytes.HasPrefix(b, head.b) || len(b) < len(head.b)+4 {
		return nil, fmt.Errorf("header: %w", errDamaged)
	}
	sum := decoder{b: b[len(b)-4:]}
	if b = b[:len(b)-4]; uint32(sum.int32()) != checksum(b) {
		return nil, fmt.Errorf("checksum: %w", errDamaged)
	}
	d := decoder{b: b[len(head.b):]}
	db := emptyDatabase()
	db.zxid, db.lastSession, db.secret = d.int64(), d.int64(), bytes.Clone(d.buffer())
	for range d.count(12) {
		id := d.int64()
		db.sessions[id] = time.Duration(d.int32()) * time.Millisecond
	}
	nodes := map[string]*node{}
	for range d.count(nodeSize) {
		path := d.string()
		nodes[path] = &node{
			data: bytes.Clone(d.buffer()), acl: decodeACL(&d), czxid: d.int64(), mzxid: d.int64(), pzxid: d.int64(),
			ctime: d.int64(), mtime: d.int64(), version: d.int32(), aversion: d.int32(), creates: d.int32(), owner: d.int64(),
		}
	}
	if d.err != nil || len(d.b) > 0 || nodes["/"] == nil {
		return nil, fmt.Errorf("content: %w", errDamaged)
	}
	for path, n := range nodes {
		if !validPath(path) || nodes[parentOf(path)] == nil {
			return nil, fmt.Errorf("path %q: %w", path, errDamaged)
		}
		db.nodes[path] = n // all of them first: insert looks for parents
	}
	for path, n := range nodes {
		db.insert(path, n)
	}
	return db, nil
}
