package zkserver

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
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

// readLocked answers everything that changes no node.
func (r *request) readLocked() error {
	s, c, d := r.s, r.c, &r.in
	switch r.op {
	case opExists:
		path, watch := d.string(), d.bool()
		if d.err != nil {
			return d.err
		}
		if strings.IndexByte(path, 0) >= 0 {
			return codeBadArguments
		}
		n, err := r.find(path, permRead)
		if err == codeNoAuth {
			return err
		}
		if watch {
			s.mu.watches.add(c, watchData, path) // also on a node that is not there yet: that is what exists is for
		}
		if err != nil {
			return err
		}
		n.stat().encode(&r.out)
		return nil
	case opGetData:
		return r.getData()
	case opGetACL:
		return r.getACL()
	case opGetChildren, opGetChildren2:
		return r.getChildren(r.op == opGetChildren2)
	case opSync:
		path := d.string()
		r.out.string(path)
		return d.err
	case opPing:
		return nil
	case opReconfig:
		return codeReconfigDisabled
	case opCheckWatches, opRemoveWatches:
		return r.removeWatches()
	case opMultiRead:
		return r.multiRead()
	case opGetEphemerals:
		prefix := d.string()
		var own []string
		for _, path := range s.mu.db.ephemeralsOf(c.session.id) {
			if strings.HasPrefix(path, prefix) {
				own = append(own, path)
			}
		}
		r.out.strings(own)
		return d.err
	case opGetAllChildrenNumber:
		return r.getAllChildrenNumber()
	case opSetWatches, opSetWatches2:
		return r.setWatches()
	case opAddWatch:
		return r.addWatch()
	case opWhoAmI:
		r.out.int32(int32(len(c.identities)))
		for _, id := range c.identities {
			user, _, _ := strings.Cut(id.id, ":")
			if id.scheme == "ip" {
				user = id.id
			}
			r.out.string(id.scheme)
			r.out.string(user)
		}
		return nil
	default:
		return errUnknownOp
	}
}

// find returns a node that the client may use in one of the ways of perms.
func (r *request) find(path string, perms int32) (*node, error) {
	n := r.s.mu.db.find(path)
	if n == nil {
		return nil, codeNoNode
	}
	if !n.acl.allows(r.c.identities, perms) {
		return nil, codeNoAuth
	}
	return n, nil
}

func (r *request) getData() error {
	path, watch := r.in.string(), r.in.bool()
	if r.in.err != nil {
		return r.in.err
	}
	n, err := r.find(path, permRead)
	if err != nil {
		return err
	}
	if watch {
		r.s.mu.watches.add(r.c, watchData, path)
	}
	r.out.buffer(n.data)
	n.stat().encode(&r.out)
	return nil
}

func (r *request) getChildren(withStat bool) error {
	path, watch := r.in.string(), r.in.bool()
	if r.in.err != nil {
		return r.in.err
	}
	n, err := r.find(path, permRead)
	if err != nil {
		return err
	}
	if watch {
		r.s.mu.watches.add(r.c, watchChildren, path)
	}
	r.out.strings(slices.Sorted(maps.Keys(n.children)))
	if withStat {
		n.stat().encode(&r.out)
	}
	return nil
}

func (r *request) getACL() error {
	path := r.in.string()
	if r.in.err != nil {
		return r.in.err
	}
	n, err := r.find(path, permRead|permAdmin)
	if err != nil {
		return err
	}
	list := n.acl
	if !list.allows(r.c.identities, permAdmin) {
		list = list.masked()
	}
	list.encode(&r.out)
	n.stat().encode(&r.out)
	return nil
}

// getAllChildrenNumber counts everything below a node.
func (r *request) getAllChildrenNumber() error {
	path := r.in.string()
	if r.in.err != nil {
		return r.in.err
	}
	if _, err := r.find(path, permRead); err != nil {
		return err
	}
	if path == "" {
		path = "/"
	}
	count := -1 // not the node itself
	for p := range r.s.mu.db.nodes {
		if below(p, path) {
			count++
		}
	}
	r.out.int32(int32(count))
	return nil
}

// Watch types that a client may ask to remove.
const (
	removeChildren = 1
	removeData     = 2
	removeAny      = 3
)

// Modes of addWatch.
const (
	modePersistent = 0
	modeRecursive  = 1
)

func (r *request) addWatch() error {
	path, mode := r.in.string(), r.in.int32()
	if r.in.err != nil {
		return r.in.err
	}
	switch mode {
	case modePersistent:
		r.s.mu.watches.add(r.c, watchPersistent, path)
	case modeRecursive:
		r.s.mu.watches.add(r.c, watchRecursive, path)
	default:
		return errShort
	}
	r.out.int32(0)
	return nil
}

// removeWatches serves checkWatches as well, which only asks.
func (r *request) removeWatches() error {
	path, kind := r.in.string(), r.in.int32()
	if r.in.err != nil {
		return r.in.err
	}
	var kinds []watchKind
	switch kind {
	case removeChildren:
		kinds = []watchKind{watchChildren, watchPersistent, watchRecursive}
	case removeData:
		kinds = []watchKind{watchData, watchPersistent, watchRecursive}
	case removeAny:
		kinds = []watchKind{watchData, watchChildren, watchPersistent, watchRecursive}
	default:
		return codeBadArguments
	}
	var found bool
	for _, k := range kinds {
		if r.s.mu.watches.has(r.c, k, path) {
			found = true
			if r.op == opRemoveWatches {
				r.s.mu.watches.remove(r.c, k, path)
			}
		}
	}
	if !found {
		return codeNoWatcher
	}
	return nil
}

// setWatches puts back what a client watched before its connection was lost. What changed since the zxid that
// it last saw is told at once, before the answer, and not watched any more.
func (r *request) setWatches() error {
	d, db, w := &r.in, r.s.mu.db, r.s.mu.watches
	since, data, exist, child := d.int64(), d.strings(), d.strings(), d.strings()
	var persistent, recursive []string
	if r.op == opSetWatches2 {
		persistent, recursive = d.strings(), d.strings()
	}
	if d.err != nil {
		return d.err
	}
	tell := func(kind int32, path string, n *node) {
		if n == nil || n.acl.allows(r.c.identities, permRead) {
			r.c.notify(kind, path)
		}
	}
	for _, path := range data {
		switch n := db.find(path); {
		case n == nil:
			tell(eventDeleted, path, n)
		case n.mzxid > since:
			tell(eventDataChanged, path, n)
		default:
			w.add(r.c, watchData, path)
		}
	}
	for _, path := range exist {
		if n := db.find(path); n != nil {
			tell(eventCreated, path, n)
		} else {
			w.add(r.c, watchData, path)
		}
	}
	for _, path := range child {
		switch n := db.find(path); {
		case n == nil:
			tell(eventDeleted, path, n)
		case n.pzxid > since:
			tell(eventChildrenChanged, path, n)
		default:
			w.add(r.c, watchChildren, path)
		}
	}
	for _, path := range persistent {
		w.add(r.c, watchPersistent, path)
	}
	for _, path := range recursive {
		w.add(r.c, watchRecursive, path)
	}
	return nil
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
