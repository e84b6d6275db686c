package zkserver

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// The log's files; doc.go draws them.
const (
	logMagic        = "OTTLAZKL"
	formatVersion   = 1
	logHeaderSize   = 8 + 4 + 8 + 4
	groupMagic      = 0x5a4b4752 // "ZKGR"
	groupHeaderSize = 4 + 4 + 8 + 4 + 4
)

// errDamaged says that a file differs from what was once synced to it.
var errDamaged = errors.New("damaged")

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// logHeader begins log file number n.
func logHeader(number int64) []byte {
	e := encoder{[]byte(logMagic)}
	e.int32(formatVersion)
	e.int64(number)
	e.int32(int32(checksum(e.b)))
	return e.b
}

// appendGroup adds a group of records, which goes to position of its file, to b.
func appendGroup(b []byte, position int64, records []byte) []byte {
	e := encoder{b}
	at := len(b)
	e.int32(groupMagic)
	e.int32(int32(len(records)))
	e.int64(position)
	e.int32(int32(checksum(records)))
	e.int32(int32(checksum(e.b[at:])))
	return append(e.b, records...)
}

// readGroup returns the records of the group at position of a file, false if there is none that is whole.
func readGroup(file []byte, position int) (records []byte, ok bool) {
	if len(file)-position < groupHeaderSize {
		return nil, false
	}
	head := file[position : position+groupHeaderSize]
	d := decoder{b: head}
	magic, size, at, sum := d.int32(), d.int32(), d.int64(), d.int32()
	if magic != groupMagic || at != int64(position) || uint32(d.int32()) != checksum(head[:groupHeaderSize-4]) {
		return nil, false
	}
	rest := file[position+groupHeaderSize:]
	if size < 0 || int(size) > len(rest) || checksum(rest[:size]) != uint32(sum) {
		return nil, false
	}
	return rest[:size], true
}

// readLog calls each with the records of one log file, in order, and returns where the whole groups end.
//
// A group is synced before the next one is written. So what is wrong behind the last whole group was never
// acknowledged and may be cut: a torn tail. What is wrong before a whole group had been synced, and then
// the file was damaged later: errDamaged, since cutting there would lose acknowledged writes.
func readLog(file []byte, number int64, each func(record) error) (end int64, err error) {
	if !bytes.HasPrefix(file, logHeader(number)) {
		if at := findGroup(file, 0); at >= 0 {
			return 0, fmt.Errorf("header: %w", errDamaged)
		}
		return 0, nil
	}
	position := logHeaderSize
	for {
		records, ok := readGroup(file, position)
		if !ok {
			if at := findGroup(file, position+1); at >= 0 {
				return int64(position), fmt.Errorf("position %d, before a whole group at %d: %w", position, at, errDamaged)
			}
			return int64(position), nil
		}
		d := decoder{b: records}
		for len(d.b) > 0 {
			r := decodeRecord(&d)
			if d.err != nil {
				return int64(position), fmt.Errorf("group at %d: %w: %w", position, errDamaged, d.err)
			}
			if err := each(r); err != nil {
				return int64(position), fmt.Errorf("group at %d: %w", position, err)
			}
		}
		position += groupHeaderSize + len(records)
	}
}

// findGroup looks for a whole group at or behind position, and returns where it is or -1.
func findGroup(file []byte, position int) int {
	magic := binary.BigEndian.AppendUint32(nil, groupMagic)
	for position < len(file) {
		i := bytes.Index(file[position:], magic)
		if i < 0 {
			return -1
		}
		position += i
		if _, ok := readGroup(file, position); ok {
			return position
		}
		position++
	}
	return -1
}

// replay applies a record of the log.
func (db *database) replay(r record) error {
	if r.zxid <= db.zxid {
		return fmt.Errorf("zxid %d after %d: %w", r.zxid, db.zxid, errDamaged)
	}
	for _, c := range r.changes {
		if !db.fits(c) {
			return fmt.Errorf("zxid %d cannot have happened to %q: %w", r.zxid, c.path, errDamaged)
		}
		db.apply(c, r.zxid, r.time, nil)
	}
	db.zxid = r.zxid
	return nil
}
