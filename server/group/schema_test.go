package group

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"testing"

	"ottla/logdir/batch"
	"ottla/server/statetopic"
)

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The samples were written by Apache Kafka 3.9.1.
func TestKeysAndOffsetsAreKafkasBytes(t *testing.T) {
	for name, tc := range map[string]struct {
		sample string
		got    []byte
	}{
		"offset key":      {"0001 0005 672d74786e 0005 706c61696e 00000000", offsetKey{"g-txn", tp("plain", 0)}.encode()},
		"group key":       {"0002 0005 672d737562", groupKey{"g-sub"}.encode()},
		"offset value v3": {"0003 0000000000000007 ffffffff 0008 74786e2d6d657461 000001a203761f96", commit{7, -1, "txn-meta", 0x1a203761f96, -1}.encode(3)},
		"offset value v1": {"0001 0000000000000005 0000 000001a203877eb7 000001a203886917", commit{5, -1, "", 0x1a203877eb7, 0x1a203886917}.encode(3)},
		"empty group": {"0003 0008 636f6e73756d6572 00000003 ffff ffff 000001a2037d665b 00000000",
			(&groupValue{protocolType: "consumer", generation: 3, stateSince: 0x1a2037d665b}).encode(3)},
	} {
		t.Run(name, func(t *testing.T) {
			if want := unhex(t, tc.sample); !bytes.Equal(tc.got, want) {
				t.Errorf("got %x, want %x", tc.got, want)
			}
		})
	}
}

// TestKafkasLogComesOutTheSame decodes each record of a log that Kafka wrote and encodes it again; where one request made
// a batch, the batch is built again too.
func TestKafkasLogComesOutTheSame(t *testing.T) {
	log, err := os.ReadFile("testdata/consumer_offsets.log")
	if err != nil {
		t.Fatal(err)
	}
	for b, err := range batch.All(log) {
		if err != nil {
			t.Fatal(err)
		}
		h, err := batch.Check(b)
		if err != nil {
			t.Fatal(err)
		}
		if h.IsControl() {
			continue
		}
		options := batch.PlainOptions(batch.None)
		options.BaseSequence, options.ProducerID, options.ProducerEpoch, options.Transactional = h.BaseSequence, h.ProducerID, h.ProducerEpoch, h.IsTransactional()
		again := batch.NewBuilder(options)
		for r, err := range batch.Records(b) {
			if err != nil {
				t.Fatal(err)
			}
			again.Append(r.Timestamp, recodeKey(t, r.Key), recodeValue(t, r.Key, r.Value))
		}
		if got := again.Bytes(); !bytes.Equal(got[17:], b[17:]) { // from the CRC on
			t.Errorf("batch at offset %d:\n got %x\nwant %x", h.BaseOffset, got[17:], b[17:])
		}
	}
}

func recodeKey(t *testing.T, b []byte) []byte {
	key, err := decodeKey(b)
	if err != nil {
		t.Fatal(err)
	}
	return key.(interface{ encode() []byte }).encode()
}

func recodeValue(t *testing.T, key, b []byte) []byte {
	if b == nil {
		return nil
	}
	if k, _ := decodeKey(key); k == any(nil) {
		t.Fatal("no key")
	} else if _, ok := k.(groupKey); ok {
		v, err := decodeGroup(b)
		if err != nil {
			t.Fatal(err)
		}
		return v.encode(3)
	}
	c, err := decodeCommit(b)
	if err != nil {
		t.Fatal(err)
	}
	return c.encode(3)
}

func TestEveryVersionIsRead(t *testing.T) {
	protocol, leader, instance := "range", "m", "i"
	full := groupValue{protocolType: "consumer", generation: 7, protocol: &protocol, leader: &leader, stateSince: 99,
		members: []memberValue{{"m", &instance, "c", "/h", 300, 45, []byte("sub"), []byte("ass")}}}
	for version := range int16(4) {
		v, err := decodeGroup(full.encode(version))
		if err != nil {
			t.Fatalf("version %d: %v", version, err)
		}
		m := v.members[0]
		if v.generation != 7 || m.id != "m" || string(m.assignment) != "ass" || (version >= 3) != (m.instanceID != nil) ||
			(version >= 2) != (v.stateSince == 99) || (version >= 1) != (m.rebalanceTimeout == 300) {
			t.Errorf("version %d: %+v %+v", version, v, m)
		}
	}
	for version := int16(1); version <= 3; version++ {
		c, err := decodeCommit(commit{5, 2, "m", 9, -1}.encode(version))
		if err != nil || c.offset != 5 || c.metadata != "m" || c.timestamp != 9 || (version == 3) != (c.leaderEpoch == 2) {
			t.Errorf("version %d: %+v %v", version, c, err)
		}
	}
	// Version 4 is flexible: compact strings, and tags to skip at the end.
	c, err := decodeCommit(unhex(t, "0004 0000000000000005 00000002 026d 0000000000000009 01 00 10 000102030405060708090a0b0c0d0e0f"))
	if err != nil || c.offset != 5 || c.metadata != "m" || c.leaderEpoch != 2 {
		t.Errorf("version 4: %+v %v", c, err)
	}
	v, err := decodeGroup(unhex(t, "0004 02 63 00000007 0272 026d 0000000000000063 02 026d 00 0263 0268 0000012c 0000002d 0273 0261 00 00"))
	if err != nil || v.generation != 7 || v.members[0].rebalanceTimeout != 300 || string(v.members[0].assignment) != "a" {
		t.Errorf("version 4: %+v %v", v, err)
	}
}

func TestWhatIsNewerIsToldFromWhatIsBroken(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want error
	}{
		"a key of a newer coordinator":   {second(decodeKey([]byte{0, 3, 0, 1, 'g'})), statetopic.ErrVersion},
		"a key without a version":        {second(decodeKey(nil)), statetopic.ErrRecord},
		"a group cut short":              {second(decodeKey([]byte{0, 2, 0, 9, 'g'})), statetopic.ErrRecord},
		"an offset value of tomorrow":    {second(decodeCommit([]byte{0, 5})), statetopic.ErrVersion},
		"an offset value without an end": {second(decodeCommit([]byte{0, 3, 0})), statetopic.ErrRecord},
		"a group of two billion members": {second(decodeGroup(unhex(t, "0003 0000 00000001 ffff ffff 0000000000000000 7fffffff"))), statetopic.ErrRecord},
	} {
		if !errors.Is(tc.err, tc.want) {
			t.Errorf("%s: %v, want %v", name, tc.err, tc.want)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestSubscriptions(t *testing.T) {
	topics, ok := subscribedTopics(unhex(t, "0003 00000002 0005 7061727473 0005 706c61696e ffffffff 00000000 ffffffff ffff"))
	if !ok || strings.Join(topics, ",") != "parts,plain" {
		t.Errorf("got %v, %v", topics, ok)
	}
	for _, broken := range []string{"", "00", "ffff00000000", "0000 7fffffff", "0000 00000001 0009 61"} {
		if _, ok := subscribedTopics(unhex(t, broken)); ok {
			t.Errorf("%q was read", broken)
		}
	}
}

func FuzzRecords(f *testing.F) {
	log, err := os.ReadFile("testdata/consumer_offsets.log")
	if err != nil {
		f.Fatal(err)
	}
	for b := range batch.All(log) {
		for r := range batch.Records(b) {
			f.Add(r.Key)
			f.Add(r.Value)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		// Whatever is read is written and read again as the same, and nothing grows beyond its record.
		if key, err := decodeKey(b); err == nil {
			if again, err := decodeKey(key.(interface{ encode() []byte }).encode()); err != nil || again != key {
				t.Errorf("key %+v became %+v, %v", key, again, err)
			}
		}
		if c, err := decodeCommit(b); err == nil && len(c.metadata) < 1<<15 {
			c.leaderEpoch = max(c.leaderEpoch, -1)
			if c.expires >= 0 {
				c.leaderEpoch = -1
			} else {
				c.expires = -1
			}
			if again, err := decodeCommit(c.encode(3)); err != nil || again != c {
				t.Errorf("commit %+v became %+v, %v", c, again, err)
			}
		}
		if v, err := decodeGroup(b); err == nil {
			if len(v.members) > len(b) {
				t.Errorf("%d members of %d bytes", len(v.members), len(b))
			}
			if again, err := decodeGroup(v.encode(3)); err == nil && len(again.members) != len(v.members) {
				t.Errorf("group %+v became %+v", v, again)
			}
		}
		subscribedTopics(b)
	})
}
