package cluster

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// TopicPartition names one partition. Its text is Kafka's: orders-0.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// String is topic-partition, which is also the name of the partition's directory.
func (tp TopicPartition) String() string {
	return tp.Topic + "-" + strconv.Itoa(int(tp.Partition))
}

// ParseTopicPartition reads what String wrote. The partition stands behind the last dash, since a
// topic's name may hold dashes of its own.
func ParseTopicPartition(s string) (TopicPartition, error) {
	dash := strings.LastIndexByte(s, '-')
	if dash <= 0 {
		return TopicPartition{}, fmt.Errorf("%q is no partition: want topic-number", s)
	}
	n, err := strconv.ParseInt(s[dash+1:], 10, 32)
	if err != nil || n < 0 || s[dash+1] == '+' {
		return TopicPartition{}, fmt.Errorf("%q is no partition: %q is no number", s, s[dash+1:])
	}
	return TopicPartition{Topic: s[:dash], Partition: int32(n)}, nil
}

// TopicID tells two topics of one name apart: deleted and made anew, it is another topic (KIP-516).
type TopicID [16]byte

// ErrTopicID says that a text is no topic id.
var ErrTopicID = errors.New("no topic id: want 22 characters of URL-safe base64")

// IsZero reports whether the id is unset, as for topics of clusters older than 2.8.
func (id TopicID) IsZero() bool { return id == TopicID{} }

// String is Kafka's text of a UUID: URL-safe base64 without padding.
func (id TopicID) String() string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// ParseTopicID reads what String wrote.
func ParseTopicID(s string) (TopicID, error) {
	var id TopicID
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != len(id) {
		return id, fmt.Errorf("%q: %w", s, ErrTopicID)
	}
	copy(id[:], b)
	return id, nil
}
