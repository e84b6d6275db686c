package zkcoord

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-zookeeper/zk"
)

// op is one operation of a multi; exactly one of the four kinds.
type op struct {
	kind    opKind
	path    string
	data    []byte
	version int32
	flags   int32
}

type opKind int8

const (
	opCreate opKind = iota
	opSet
	opDelete
	opCheck
)

func createOp(path string, data []byte, flags int32) op {
	return op{kind: opCreate, path: path, data: data, flags: flags}
}

func setOp(path string, data []byte, version int32) op {
	return op{kind: opSet, path: path, data: data, version: version}
}

func deleteOp(path string, version int32) op {
	return op{kind: opDelete, path: path, version: version}
}

func checkOp(path string, version int32) op {
	return op{kind: opCheck, path: path, version: version}
}

// size is about what the operation takes in a request.
func (o op) size() int { return len(o.path) + len(o.data) + 64 }

func (o op) request(c *Client) any {
	switch o.kind {
	case opCreate:
		return &zk.CreateRequest{Path: c.full(o.path), Data: o.data, Acl: openACL(), Flags: o.flags}
	case opSet:
		return &zk.SetDataRequest{Path: c.full(o.path), Data: o.data, Version: o.version}
	case opDelete:
		return &zk.DeleteRequest{Path: c.full(o.path), Version: o.version}
	default:
		return &zk.CheckVersionRequest{Path: c.full(o.path), Version: o.version}
	}
}

func (o op) String() string {
	return [...]string{"create", "set", "delete", "check"}[o.kind] + " " + o.path
}

// opResult is what became of one operation. When the multi failed, exactly one operation has a real
// error; those behind it have ErrNotTried, those before it nil although they were undone.
type opResult struct {
	stat zk.Stat
	err  error
}

// multiError is a multi that a server refused: nothing of it happened. attempt is above 0 when an earlier
// try's answer was lost, so that the refusal may be our own work.
type multiError struct {
	failed  int
	op      op
	attempt int
	err     error
}

func (e *multiError) Error() string { return fmt.Sprintf("multi, %v: %v", e.op, e.err) }
func (e *multiError) Unwrap() error { return e.err }

// multi carries out all operations or none. A *multiError names the one that failed.
func (c *Client) multi(ctx context.Context, ops ...op) ([]opResult, error) {
	size := 0
	requests := make([]any, len(ops))
	for i, o := range ops {
		size += o.size()
		requests[i] = o.request(c)
	}
	if size > maxRequestBytes {
		return nil, fmt.Errorf("multi of %d operations, %d bytes: %w", len(ops), size, ErrTooLarge)
	}
	type answer struct {
		responses []zk.MultiResponse
		attempt   int
	}
	a, err := call(ctx, c, func(conn *zk.Conn, attempt int) (answer, error) {
		responses, err := conn.Multi(requests...)
		return answer{responses, attempt}, err
	})
	results := make([]opResult, len(ops))
	for i, r := range a.responses {
		if i < len(results) {
			results[i].err = translate(r.Error)
			if r.Stat != nil {
				results[i].stat = *r.Stat
			}
		}
	}
	if err == nil && len(a.responses) != len(ops) {
		return nil, fmt.Errorf("multi of %d operations: %d answers", len(ops), len(a.responses))
	}
	if err != nil {
		for i := range a.responses {
			if i < len(ops) && results[i].err != nil && !errors.Is(results[i].err, ErrNotTried) {
				return results, &multiError{failed: i, op: ops[i], attempt: a.attempt, err: results[i].err}
			}
		}
		return nil, fmt.Errorf("multi, %d operations from %v: %w", len(ops), ops[0], err)
	}
	return results, nil
}
