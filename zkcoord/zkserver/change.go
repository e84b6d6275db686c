package zkserver

import (
	"bytes"
	"time"
)

// changeKind tells changes apart in the log. The numbers are part of the format.
type changeKind byte

const (
	changeCreate changeKind = iota + 1
	changeDelete
	changeSetData
	changeSetACL
	changeOpenSession
	changeCloseSession
)

// change is one step of a transaction with every choice made: the sequential name is final, "auth" in the ACL
// is resolved, versions have been checked. So a replay needs no identity and cannot decide otherwise.
type change struct {
	kind    changeKind
	path    string
	data    []byte
	acl     acl
	session int64 // who is opened or closed; for a create the owner
	timeout time.Duration
}

func (c change) encode(e *encoder) {
	e.byte(byte(c.kind))
	switch c.kind {
	case changeCreate:
		e.string(c.path)
		e.buffer(c.data)
		c.acl.encode(e)
		e.int64(c.session)
	case changeDelete:
		e.string(c.path)
	case changeSetData:
		e.string(c.path)
		e.buffer(c.data)
	case changeSetACL:
		e.string(c.path)
		c.acl.encode(e)
	case changeOpenSession:
		e.int64(c.session)
		e.int32(int32(c.timeout.Milliseconds()))
	case changeCloseSession:
		e.int64(c.session)
	}
}

func decodeChange(d *decoder) change {
	c := change{kind: changeKind(d.byte())}
	switch c.kind {
	case changeCreate:
		c.path, c.data, c.acl, c.session = d.string(), bytes.Clone(d.buffer()), decodeACL(d), d.int64()
	case changeDelete:
		c.path = d.string()
	case changeSetData:
		c.path, c.data = d.string(), bytes.Clone(d.buffer())
	case changeSetACL:
		c.path, c.acl = d.string(), decodeACL(d)
	case changeOpenSession:
		c.session, c.timeout = d.int64(), time.Duration(d.int32())*time.Millisecond
	case changeCloseSession:
		c.session = d.int64()
	default:
		d.fail()
	}
	return c
}

// record is what the log keeps of a transaction.
type record struct {
	zxid    int64
	time    int64 // ms since 1970
	changes []change
}

func (r record) encode(e *encoder) {
	e.int64(r.zxid)
	e.int64(r.time)
	e.int32(int32(len(r.changes)))
	for _, c := range r.changes {
		c.encode(e)
	}
}

func decodeRecord(d *decoder) record {
	r := record{zxid: d.int64(), time: d.int64()}
	for range d.count(5) {
		r.changes = append(r.changes, decodeChange(d))
	}
	return r
}
