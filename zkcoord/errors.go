package zkcoord

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-zookeeper/zk"
)

// What ZooKeeper answers. Every error of this package wraps one of these, the caller's context error, or
// ErrMalformed.
var (
	ErrNoNode     = errors.New("no such znode")
	ErrNodeExists = errors.New("znode exists")
	ErrBadVersion = errors.New("znode has another version")
	ErrNotEmpty   = errors.New("znode has children")
	ErrNoAuth     = errors.New("not authorized by ZooKeeper")
	// ErrNotTried is the result of an operation in a multi that failed for another one's sake.
	ErrNotTried = errors.New("another operation of the multi failed")
	// ErrSessionExpired ends whatever was under way: what it wrote may or may not stand, and a new session
	// must look again.
	ErrSessionExpired = errors.New("ZooKeeper session expired")
	// ErrTooLarge refuses what a server would answer by closing the connection under everybody's calls.
	ErrTooLarge = errors.New("request too large for ZooKeeper")
	// ErrClosed is every call's answer after Close.
	ErrClosed = errors.New("ZooKeeper client closed")
	// ErrControllerMoved says that another controller reigns: whoever gets it must resign now.
	ErrControllerMoved = errors.New("another controller was elected")

	// errConnectionLost says nothing about whether a write happened. It is never returned: calls try again.
	errConnectionLost = errors.New("connection to ZooKeeper lost")
)

// ServerError is an answer of ZooKeeper's that has no name of its own here.
type ServerError struct{ Code int }

func (e *ServerError) Error() string { return fmt.Sprintf("ZooKeeper error %d", e.Code) }

// translate turns the library's errors into ours. What is neither an answer of the server nor refused by
// the library itself is a lost connection: the library passes on whatever the socket said.
func translate(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, zk.ErrNoNode):
		return ErrNoNode
	case errors.Is(err, zk.ErrNodeExists):
		return ErrNodeExists
	case errors.Is(err, zk.ErrBadVersion):
		return ErrBadVersion
	case errors.Is(err, zk.ErrNotEmpty):
		return ErrNotEmpty
	case errors.Is(err, zk.ErrNoAuth), errors.Is(err, zk.ErrAuthFailed):
		return ErrNoAuth
	case errors.Is(err, zk.ErrSessionExpired):
		return ErrSessionExpired
	case errors.Is(err, zk.ErrSessionMoved):
		// A request that came late, by the server that the session has left. The session lives on at another.
		return errConnectionLost
	case errors.Is(err, zk.ErrShortBuffer):
		return ErrTooLarge
	case errors.Is(err, zk.ErrInvalidPath), errors.Is(err, zk.ErrInvalidACL), errors.Is(err, zk.ErrBadArguments),
		errors.Is(err, zk.ErrNoChildrenForEphemerals), errors.Is(err, zk.ErrAPIError), errors.Is(err, zk.ErrInvalidFlags):
		return err
	}
	if text, ok := strings.CutPrefix(err.Error(), "unknown error: "); ok {
		if code, err := strconv.Atoi(text); err == nil {
			if code == codeRuntimeInconsistency {
				return ErrNotTried
			}
			return &ServerError{code}
		}
	}
	return errConnectionLost
}

// codeRuntimeInconsistency is the result of the operations behind the one that failed in a multi.
const codeRuntimeInconsistency = -2
