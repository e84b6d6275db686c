package main

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"strings"
)

// nobody is the record that bytes stand for which no producer sends.
var nobody = Record{Producer: -1, Sequence: -1}

// padding makes records of some hundred bytes, so that segments fill.
var padding = strings.Repeat(".", 100)

// payload is a record's value. Every byte of it follows from the record and its partition, so that one that has
// changed or strayed shows.
func payload(partition int32, r Record) []byte {
	text := fmt.Appendf(nil, "producer %d, partition %d, record %d ", r.Producer, partition, r.Sequence)
	return fmt.Appendf(text, "%08x%s", crc32.ChecksumIEEE(text), padding)
}

// parsePayload is the way back. What is not a payload of this partition is nobody's.
func parsePayload(partition int32, value []byte) Record {
	var r Record
	var of int32
	_, err := fmt.Sscanf(string(value), "producer %d, partition %d, record %d ", &r.Producer, &of, &r.Sequence)
	if err != nil || of != partition || !bytes.Equal(payload(of, r), value) {
		return nobody
	}
	return r
}
