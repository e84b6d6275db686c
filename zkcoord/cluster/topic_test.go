package cluster

import "testing"

func TestParseTopicPartition(t *testing.T) {
	for text, want := range map[string]TopicPartition{
		"orders-0":         {"orders", 0},
		"my-topic-12":      {"my-topic", 12},
		"__x.y-2147483647": {"__x.y", 2147483647},
	} {
		got, err := ParseTopicPartition(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("ParseTopicPartition(%q) = %v, %v", text, got, err)
		}
	}
	for _, bad := range []string{"", "-", "-1", "orders", "orders-", "orders-x", "orders-+1", "orders-2147483648"} {
		if got, err := ParseTopicPartition(bad); err == nil {
			t.Errorf("ParseTopicPartition(%q) = %v, want an error", bad, got)
		}
	}
}

func TestTopicIDText(t *testing.T) {
	const text = "IF3XgOsrQ5ydvEnHQIF-tw" // from a partition.metadata that Apache Kafka wrote
	id, err := ParseTopicID(text)
	if err != nil || id.String() != text || id.IsZero() {
		t.Errorf("ParseTopicID(%q) = %v, %v", text, id, err)
	}
	for _, bad := range []string{"", "IF3X", text + "=="} {
		if _, err := ParseTopicID(bad); err == nil {
			t.Errorf("ParseTopicID(%q) succeeds", bad)
		}
	}
}
