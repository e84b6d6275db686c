package zkserver

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"
)

// request is one frame of a client, while it is handled.
type request struct {
	s   *Server
	c   *conn
	xid int32
	op  int32
	in  decoder
	out encoder // the answer's body
}

// handle applies one request and queues its answer. False ends the connection after what is queued.
func (s *Server) handle(c *conn, frame []byte) (goesOn bool, err error) {
	begin := time.Now()
	r := &request{s: s, c: c, in: decoder{b: frame}}
	r.xid, r.op = r.in.int32(), r.in.int32()
	if r.in.err != nil {
		return false, errors.New("request without a header")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed || c.session.conn != c {
		return false, nil
	}
	c.session.heard = begin
	c.stats.received++
	c.lastOp, c.lastXid = r.op, r.xid
	s.mu.stats.received++
	defer func() {
		c.lastAnswer, c.lastZxid = time.Now(), s.mu.db.zxid
		c.stats.took(c.lastAnswer.Sub(begin))
		s.mu.stats.took(c.lastAnswer.Sub(begin))
	}()
	switch r.op {
	case opCreate, opCreate2, opCreateContainer, opCreateTTL, opDelete, opSetData, opSetACL, opMulti:
		return r.writeLocked(), nil
	case opAuth:
		return r.authLocked()
	case opSASL:
		// No SASL here: the null token tells the client so. Its zxid is 0, as that of auth.
		c.queue(func(e *encoder) { e.int32(r.xid); e.int64(0); e.int32(0); e.int32(-1) })
		return true, nil
	case opCloseSession:
		s.closeSessionLocked(c.session)
		c.reply(r.xid, s.mu.db.zxid, 0, nil)
		return false, nil
	case opCheck:
		return false, errors.New("check outside a multi")
	}
	err = r.readLocked()
	var failure code
	switch {
	case errors.As(err, &failure):
	case errors.Is(err, errShort):
		failure = codeMarshalling
	case err != nil:
		return false, err
	}
	if failure != 0 {
		r.out.b = nil
	}
	c.reply(r.xid, s.mu.db.zxid, failure, r.out.b)
	return !errors.Is(err, errUnknownOp), nil
}

// errUnknownOp is answered with codeUnimplemented, and the connection ends.
var errUnknownOp = fmt.Errorf("unknown request type: %w", codeUnimplemented)

// writeLocked runs a request that takes a zxid.
func (r *request) writeLocked() (goesOn bool) {
	s, c := r.s, r.c
	tx := s.beginLocked(c)
	var err error
	switch r.op {
	case opMulti:
		err = r.multi(tx)
	default:
		err = r.step(tx, r.op)
	}
	var failure code
	switch {
	case errors.As(err, &failure):
	case err != nil:
		failure = codeMarshalling
	}
	if failure != 0 {
		r.out.b = nil
	}
	if len(tx.changes) > 0 {
		s.commitLocked(tx)
	}
	if n := s.mu.losing[c.session.id]; n > 0 {
		if s.mu.losing[c.session.id]--; n == 1 {
			delete(s.mu.losing, c.session.id)
		}
		c.drop()
		return false
	}
	c.reply(r.xid, tx.zxid, failure, r.out.b)
	return true
}

// step reads and does one write, alone or in a multi, and writes the body of its answer.
func (r *request) step(tx *transaction, op int32) error {
	d := &r.in
	switch op {
	case opCreate, opCreate2, opCreateContainer, opCreateTTL:
		asked := decodeCreation(d, op)
		if d.err != nil {
			return d.err
		}
		if !asked.flagsExist() && r.op == opMulti {
			return errShort // as in ZooKeeper, where reading a multi is what fails
		}
		path, err := tx.create(asked)
		if err != nil {
			return err
		}
		r.out.string(path)
		if op != opCreate {
			tx.db.nodes[path].stat().encode(&r.out)
		}
		return nil
	case opDelete:
		path, version := d.string(), d.int32()
		if d.err != nil {
			return d.err
		}
		return tx.delete(path, version)
	case opSetData:
		path, data, version := d.string(), bytes.Clone(d.buffer()), d.int32()
		if d.err != nil {
			return d.err
		}
		if err := tx.setData(path, data, version); err != nil {
			return err
		}
		tx.db.nodes[path].stat().encode(&r.out)
		return nil
	case opSetACL:
		path, list, aversion := d.string(), decodeACL(d), d.int32()
		if d.err != nil {
			return d.err
		}
		if err := tx.setACL(path, list, aversion); err != nil {
			return err
		}
		tx.db.nodes[path].stat().encode(&r.out)
		return nil
	case opCheck:
		path, version := d.string(), d.int32()
		if d.err != nil {
			return d.err
		}
		return tx.check(path, version)
	default:
		return errShort
	}
}

// authLocked adds an identity to the connection. Replies carry zxid 0.
func (r *request) authLocked() (goesOn bool, err error) {
	r.in.int32() // kind, unused
	scheme, credential := r.in.string(), r.in.buffer()
	if r.in.err != nil {
		r.c.reply(r.xid, 0, codeMarshalling, nil)
		return true, nil
	}
	var id identity
	switch scheme {
	case "digest":
		id = identity{"digest", digest(credential)}
		if r.s.options.SuperDigest != "" && id.id == r.s.options.SuperDigest {
			id.scheme = "super"
		}
	case "ip":
		id = r.c.identities[0]
	default:
		r.c.reply(r.xid, 0, codeAuthFailed, nil)
		return false, nil
	}
	if !slices.Contains(r.c.identities, id) {
		r.c.identities = append(r.c.identities, id)
	}
	r.c.reply(r.xid, 0, 0, nil)
	return true, nil
}
