package zkserver

import "fmt"

// maxFrame is the longest request in bytes, jute.maxbuffer of ZooKeeper. A longer one closes the connection unanswered.
const maxFrame = 0xfffff

// Request types as they stand in the request header.
const (
	opCreate               = 1
	opDelete               = 2
	opExists               = 3
	opGetData              = 4
	opSetData              = 5
	opGetACL               = 6
	opSetACL               = 7
	opGetChildren          = 8
	opSync                 = 9
	opPing                 = 11
	opGetChildren2         = 12
	opCheck                = 13
	opMulti                = 14
	opCreate2              = 15
	opReconfig             = 16
	opCheckWatches         = 17
	opRemoveWatches        = 18
	opCreateContainer      = 19
	opCreateTTL            = 21
	opMultiRead            = 22
	opAuth                 = 100
	opSetWatches           = 101
	opSASL                 = 102
	opGetEphemerals        = 103
	opGetAllChildrenNumber = 104
	opSetWatches2          = 105
	opAddWatch             = 106
	opWhoAmI               = 107
	opCloseSession         = -11
	opOpenSession          = -10 // never sent: the handshake stands for it
	opError                = -1  // only in the results of a multi
)

// opName is the short name under which cons shows a client's last request.
func opName(op int32) string {
	switch op {
	case opOpenSession:
		return "SESS"
	case opCreate, opCreate2, opCreateContainer, opCreateTTL:
		return "CREA"
	case opDelete:
		return "DELE"
	case opExists:
		return "EXIS"
	case opGetData:
		return "GETD"
	case opSetData:
		return "SETD"
	case opGetACL:
		return "GETA"
	case opSetACL:
		return "SETA"
	case opGetChildren, opGetChildren2:
		return "GETC"
	case opSync:
		return "SYNC"
	case opPing:
		return "PING"
	case opMulti, opMultiRead:
		return "MULT"
	default:
		return "NA"
	}
}

// code is an error as the wire knows it.
type code int32

const (
	codeRuntimeInconsistency code = -2
	codeMarshalling          code = -5
	codeUnimplemented        code = -6
	codeBadArguments         code = -8
	codeNoNode               code = -101
	codeNoAuth               code = -102
	codeBadVersion           code = -103
	codeNoChildrenForEph     code = -108
	codeNodeExists           code = -110
	codeNotEmpty             code = -111
	codeInvalidACL           code = -114
	codeAuthFailed           code = -115
	codeNoWatcher            code = -121
	codeReconfigDisabled     code = -123
)

// Error gives the number only: the text never leaves this package.
func (c code) Error() string { return fmt.Sprintf("ZooKeeper error %d", int32(c)) }

// Flags of a create.
const (
	flagPersistent           = 0
	flagEphemeral            = 1
	flagSequential           = 2
	flagEphemeralSequential  = 3
	flagContainer            = 4
	flagTTL                  = 5
	flagPersistentSeqWithTTL = 6
)

// Event types of a notification.
const (
	eventCreated         = 1
	eventDeleted         = 2
	eventDataChanged     = 3
	eventChildrenChanged = 4
)

// stateConnected is the session state that every notification carries.
const stateConnected = 3

// xidNotification stands where a reply would repeat the request's number.
const xidNotification = -1

// stat is what ZooKeeper tells of a node, 68 bytes on the wire.
type stat struct {
	czxid, mzxid, ctime, mtime  int64
	version, cversion, aversion int32
	ephemeralOwner              int64
	dataLength, numChildren     int32
	pzxid                       int64
}

func (s stat) encode(e *encoder) {
	e.int64(s.czxid)
	e.int64(s.mzxid)
	e.int64(s.ctime)
	e.int64(s.mtime)
	e.int32(s.version)
	e.int32(s.cversion)
	e.int32(s.aversion)
	e.int64(s.ephemeralOwner)
	e.int32(s.dataLength)
	e.int32(s.numChildren)
	e.int64(s.pzxid)
}
