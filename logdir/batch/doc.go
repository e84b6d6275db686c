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
// Bytes from outside are never trusted: a count is checked against the bytes that are there, and
// decompression stops at a bound (ErrTooLarge) instead of filling the memory.
package batch
