// Package batch reads, checks, builds and rewrites record batches: the unit in which records travel,
// are compressed, numbered and written.
//
// A batch of magic 2 is a header of 61 bytes and records behind it. The log stores it exactly as it
// travelled, so everything here is a view into the bytes it was given; nothing is copied unless records
// must be compressed anew.
//
//	 0  int64   base offset          set by the leader, outside the CRC
//	 8  int32   length               bytes that follow this field
//	12  int32   leader epoch         set by the leader, outside the CRC
//	16  int8    magic                2; decides how the rest is read
//	17  uint32  CRC-32C              over everything from the attributes on
//	21  int16   attributes           bits 0-2 codec, 3 LogAppendTime, 4 transactional, 5 control,
//	                                 6 the base timestamp is a delete horizon
//	23  int32   last offset delta    last offset - base offset; survives compaction
//	27  int64   base timestamp       ms since 1970; records hold differences to it
//	35  int64   max timestamp        of all records; of all of them alike under LogAppendTime
//	43  int64   producer id          -1 none
//	51  int16   producer epoch
//	53  int32   base sequence        of the first record; wraps from 2147483647 to 0
//	57  int32   count                of records
//	61  records, compressed as one block if the codec says so
//
// A record is, in zigzag varints: length, attributes (one byte), timestamp difference, offset difference,
// key length and key, value length and value (length -1 is null), count of headers, and for each its
// key length, key, value length, value.
//
// Before, there were messages of magic 0 and 1 (Kafka 0.8 and 0.10), each a record of its own:
//
//	 0  int64   offset
//	 8  int32   size                 bytes that follow this field
//	12  uint32  CRC-32               over everything behind it
//	16  int8    magic                0 or 1
//	17  int8    attributes           bits 0-2 codec, in magic 1 3 LogAppendTime
//	18  int64   timestamp            magic 1 only
//	    int32 and key, int32 and value; length -1 is null
//
// To be compressed together, messages become the value of another one, whose attributes have the codec: a wrapper, whose offset
// is that of the last, and whose timestamp is the largest. Offsets within are absolute in magic 0 and count from 0 in magic
// 1. Here such a message is read as a batch without a producer and leader epoch, so that logs written by old brokers are read as
// any other; Convert makes records of one format into those of another when they are appended, Downgrade when they are fetched
// by an old client.
//
// Bytes from outside are never trusted: a count is checked against the bytes that are there, and
// decompression stops at a bound (ErrTooLarge) instead of filling the memory.
package batch
