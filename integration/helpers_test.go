package integration

import (
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func franzAt(t *testing.T, addr string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(addr)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// produceNumbers sends n records to a topic, in batches of fifty, and waits for their acknowledgement.
func produceNumbers(t *testing.T, client *kgo.Client, topic string, n int) {
	t.Helper()
	var records []*kgo.Record
	for i := range n {
		records = append(records, &kgo.Record{Topic: topic, Key: fmt.Append(nil, i), Value: fmt.Append(nil, "value ", i)})
	}
	for chunk := range slices.Chunk(records, 50) {
		if err := client.ProduceSync(patient(t), chunk...).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// readAll reads a topic of one partition until it has seen want records, checks that offsets are dense, and
// returns how many there were.
func readAll(t *testing.T, addr, topic string, want int) int {
	t.Helper()
	client := franzAt(t, addr, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer client.Close()
	seen := 0
	for seen < want {
		fetches := client.PollFetches(patient(t))
		if err := fetches.Err(); err != nil {
			t.Fatalf("read %s after %d records: %v", topic, seen, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset != int64(seen) {
				t.Fatalf("%s: offset %d follows %d", topic, r.Offset, seen-1)
			}
			seen++
		})
	}
	return seen
}
