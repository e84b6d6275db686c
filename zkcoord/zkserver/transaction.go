package zkserver

import (
	"bytes"
	"fmt"
	"slices"
)

// transaction is a write in the making: one zxid and one time for all its steps, each of which is checked in
// ZooKeeper's order, since that order decides which error a client sees, and applied at once, so that the next
// step sees it. A multi that fails is taken back as a whole.
type transaction struct {
	db *database
	record
	applied
	who      []identity
	session  int64 // owner of the ephemerals it creates
	extended bool  // nodes with a time to live are allowed
}

func (tx *transaction) do(c change) {
	tx.db.apply(c, tx.zxid, tx.time, &tx.applied)
	tx.changes = append(tx.changes, c)
}

// rollback takes every step back, the last one first. The zxid stays used, as in ZooKeeper.
func (tx *transaction) rollback() {
	for _, undo := range slices.Backward(tx.undo) {
		undo()
	}
	tx.applied, tx.changes = applied{}, nil
}

// creation is what a client asks for with any of the create requests.
type creation struct {
	path  string
	data  []byte
	acl   acl
	flags int32
	ttl   int64 // ms
}

func decodeCreation(d *decoder, op int32) creation {
	c := creation{path: d.string(), data: bytes.Clone(d.buffer()), acl: decodeACL(d), flags: d.int32()}
	if op == opCreateTTL {
		c.ttl = d.int64()
	}
	return c
}

func (c creation) flagsExist() bool {
	return c.flags >= flagPersistent && c.flags <= flagPersistentSeqWithTTL
}

// create returns the final path.
func (tx *transaction) create(c creation) (string, error) {
	if !c.flagsExist() {
		return "", codeBadArguments
	}
	if c.flags == flagTTL || c.flags == flagPersistentSeqWithTTL {
		if !tx.extended {
			return "", codeUnimplemented
		}
		if c.ttl <= 0 || c.ttl > maxTTL {
			return "", codeBadArguments
		}
	}
	if !hasParent(c.path) {
		return "", codeBadArguments
	}
	list, err := c.acl.resolve(tx.who)
	if err != nil {
		return "", err
	}
	// "/dir/" is in order for a sequential node: its name is then the number alone.
	path := c.path
	parent := tx.db.nodes[parentOf(path)]
	if parent == nil {
		return "", codeNoNode
	}
	if !parent.acl.allows(tx.who, permCreate) {
		return "", codeNoAuth
	}
	owner := int64(0)
	switch c.flags {
	case flagEphemeral:
		owner = tx.session
	case flagEphemeralSequential:
		owner = tx.session
		path += fmt.Sprintf("%010d", parent.creates)
	case flagSequential:
		path += fmt.Sprintf("%010d", parent.creates)
	case flagContainer:
		owner = ownerContainer
	case flagTTL:
		owner = ttlOwner(c.ttl)
	case flagPersistentSeqWithTTL:
		owner = ttlOwner(c.ttl)
		path += fmt.Sprintf("%010d", parent.creates)
	}
	if !validPath(path) {
		return "", codeBadArguments
	}
	if tx.db.nodes[path] != nil {
		return "", codeNodeExists
	}
	if parent.isEphemeral() {
		return "", codeNoChildrenForEph
	}
	tx.do(change{kind: changeCreate, path: path, data: c.data, acl: list, session: owner})
	return path, nil
}

func (tx *transaction) delete(path string, version int32) error {
	if !hasParent(path) || isOwn(path) {
		return codeBadArguments
	}
	parent := tx.db.nodes[parentOf(path)]
	if parent == nil {
		return codeNoNode
	}
	if !parent.acl.allows(tx.who, permDelete) {
		return codeNoAuth
	}
	n := tx.db.nodes[path]
	switch {
	case n == nil:
		return codeNoNode
	case version != -1 && version != n.version:
		return codeBadVersion
	case len(n.children) > 0:
		return codeNotEmpty
	}
	tx.do(change{kind: changeDelete, path: path})
	return nil
}

func (tx *transaction) setData(path string, data []byte, version int32) error {
	if !validPath(path) {
		return codeBadArguments
	}
	n := tx.db.nodes[path]
	switch {
	case n == nil:
		return codeNoNode
	case !n.acl.allows(tx.who, permWrite):
		return codeNoAuth
	case version != -1 && version != n.version:
		return codeBadVersion
	}
	tx.do(change{kind: changeSetData, path: path, data: data})
	return nil
}

func (tx *transaction) setACL(path string, list acl, aversion int32) error {
	if !validPath(path) {
		return codeBadArguments
	}
	resolved, err := list.resolve(tx.who)
	if err != nil {
		return err
	}
	n := tx.db.nodes[path]
	switch {
	case n == nil:
		return codeNoNode
	case !n.acl.allows(tx.who, permAdmin):
		return codeNoAuth
	case aversion != -1 && aversion != n.aversion:
		return codeBadVersion
	}
	tx.do(change{kind: changeSetACL, path: path, acl: resolved})
	return nil
}

func (tx *transaction) check(path string, version int32) error {
	if !validPath(path) {
		return codeBadArguments
	}
	n := tx.db.nodes[path]
	switch {
	case n == nil:
		return codeNoNode
	case !n.acl.allows(tx.who, permRead):
		return codeNoAuth
	case version != -1 && version != n.version:
		return codeBadVersion
	}
	return nil
}
