package controller

import (
	"slices"
	"testing"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
)

// What one event does to a thousand partitions is one line, and so is what it does to one.
func TestNewsIsALineForEachCause(t *testing.T) {
	log, lines := logtest.NewNullLogger()
	c := &Controller{log: log}
	for n := range int32(1000) {
		c.note(logrus.InfoLevel, "Reassigned", &partition{TopicPartition: tp("t", n)}, "replicas [2 3]")
		if n%500 == 0 {
			c.note(logrus.WarnLevel, "No leader", &partition{TopicPartition: tp("u", n)}, "(ISR [1])")
		}
	}
	c.tellNews()
	c.note(logrus.InfoLevel, "Reassigned", &partition{TopicPartition: tp("t", 7)}, "replicas [1]")
	c.tellNews()
	c.tellNews()
	var said []string
	for _, line := range lines.AllEntries() {
		said = append(said, line.Level.String()+": "+line.Message)
	}
	if want := []string{
		"info: Reassigned, 1000 partitions: t-0 replicas [2 3]; t-1 replicas [2 3]; t-2 replicas [2 3]; t-3 replicas [2 3]; t-4 replicas [2 3]; and 995 more",
		"warning: No leader, 2 partitions: u-0 (ISR [1]); u-500 (ISR [1])",
		"info: Reassigned: t-7 replicas [1]",
	}; !slices.Equal(said, want) {
		t.Errorf("said %q, want %q", said, want)
	}
}
