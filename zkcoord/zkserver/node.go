package zkserver

import "time"

// What ephemeralOwner says of nodes that are not a session's.
const (
	ownerContainer = -1 << 63  // 0x8000000000000000
	maxTTL         = 1<<40 - 1 // ms; the two bytes above hold the kind, of which 0 is the only one
)

// node is one znode.
type node struct {
	data     []byte // never changed in place: replies and undo share it; nil is null, which clients can tell from empty
	acl      acl
	children map[string]struct{} // names; nil without any
	czxid    int64
	mzxid    int64
	pzxid    int64
	ctime    int64 // ms since 1970, as mtime
	mtime    int64
	version  int32
	aversion int32
	// creates counts the children ever created. It numbers sequential children, so that a number never comes
	// back after a deletion, and from it follows the cversion that clients see: creates + deletes.
	creates int32
	owner   int64
}

// stat is what clients are told. The owners of containers and of nodes with a time to live are nobody's business.
func (n *node) stat() stat {
	return stat{
		czxid: n.czxid, mzxid: n.mzxid, pzxid: n.pzxid, ctime: n.ctime, mtime: n.mtime,
		version: n.version, cversion: n.creates*2 - int32(len(n.children)), aversion: n.aversion,
		ephemeralOwner: max(n.owner, 0), dataLength: int32(len(n.data)), numChildren: int32(len(n.children)),
	}
}

// isEphemeral tells whether a session owns the node. Session ids are positive.
func (n *node) isEphemeral() bool { return n.owner > 0 }

func (n *node) isContainer() bool { return n.owner == ownerContainer }

// ttl returns how long the node may live without children and changes, 0 for ever.
func (n *node) ttl() time.Duration {
	if uint64(n.owner)>>56 != 0xff {
		return 0
	}
	return time.Duration(n.owner&maxTTL) * time.Millisecond
}

// ttlOwner writes a time to live, in ms, as an owner. The upper byte 0xff can be no session's: see newSessionID.
func ttlOwner(ms int64) int64 { return -1<<56 | ms }
