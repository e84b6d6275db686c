package group

import "ottla/server/statetopic"

// commit is a committed offset as its record holds it.
type commit struct {
	offset      int64
	leaderEpoch int32 // -1 unknown
	metadata    string
	timestamp   int64 // of the commit, ms
	// expires is the time at which the offset goes, as clients up to OffsetCommit v4 could ask for; -1
	// leaves it to offsets.retention.minutes.
	expires int64
}

const (
	newestOffsetValue = 4 // readable; 4 is flexible and never written
	// OffsetValueVersion is written by inter.broker.protocol.version 2.1-IV1 and later; 2 from 2.1-IV0, 1 before.
	OffsetValueVersion = 3
)

// encode writes the version given, or 1 when the commit has a time of its own: no later one can express it.
//
//	version 1: offset int64, metadata string, timestamp int64, expires int64
//	version 2: offset int64, metadata string, timestamp int64
//	version 3: offset int64, leaderEpoch int32, metadata string, timestamp int64
func (c commit) encode(version int16) []byte {
	if c.expires >= 0 {
		version = 1
	}
	w := make(writer, 0, 2+8+4+2+len(c.metadata)+8+8)
	w.int16(version)
	w.int64(c.offset)
	if version >= 3 {
		w.int32(c.leaderEpoch)
	}
	w.string(c.metadata)
	w.int64(c.timestamp)
	if version == 1 {
		w.int64(c.expires)
	}
	return w
}

func decodeCommit(b []byte) (commit, error) {
	r := statetopic.NewReader(b)
	c := commit{leaderEpoch: -1, expires: -1}
	version := r.Version(newestOffsetValue, "offset version")
	if r.Err != nil {
		return c, r.Err
	}
	r.Flexible = version >= 4
	c.offset = r.Int64("offset")
	if version >= 3 {
		c.leaderEpoch = r.Int32("leader epoch")
	}
	c.metadata = r.String("metadata")
	c.timestamp = r.Int64("commit timestamp")
	if version == 1 {
		c.expires = r.Int64("expire timestamp")
	}
	r.Tags()
	return c, r.Err
}
