package config

import (
	"fmt"
	"strings"
)

// Protocol is a value of inter.broker.protocol.version: a step that the requests and znodes between brokers took
// on the way to a release. A later one is the larger number: 2.7-IV2 is 20702.
//
// While a cluster is rolled from one release to another, its brokers go on to speak the old one; a second roll, with
// the new value, ends that. It says what a broker sends and writes. What it reads and answers does not depend on it.
type Protocol int

// The steps that changed something for a broker of 3.9, whichever release it rolled from.
const (
	Protocol24IV0 Protocol = 20400 // KIP-455: LeaderAndIsr tells of replicas that are being added and removed
	Protocol24IV1 Protocol = 20401
	Protocol26IV0 Protocol = 20600 // KIP-570: StopReplica with leader epochs
	Protocol27IV0 Protocol = 20700 // KIP-584: /feature, and features of brokers
	Protocol27IV1 Protocol = 20701 // KIP-595: a fetch tells where logs part
	Protocol27IV2 Protocol = 20702 // KIP-497: AlterPartition
	Protocol28IV0 Protocol = 20800 // KIP-516: topics have ids
	Protocol28IV1 Protocol = 20801
	Protocol30IV0 Protocol = 30000 // KIP-730: producer ids come from the controller
	Protocol30IV1 Protocol = 30001 // KIP-724: records have one format only
	Protocol31IV0 Protocol = 30100 // Fetch by topic id
	Protocol32IV0 Protocol = 30200 // KIP-704: an unclean leader recovers
	Protocol33IV0 Protocol = 30300 // KIP-778: a new shape of /feature
	Protocol34IV0 Protocol = 30400 // KIP-866
	Protocol35IV0 Protocol = 30500 // KIP-405
	Protocol35IV1 Protocol = 30501 // KIP-903: a fetch carries the follower's broker epoch
	Protocol37IV4 Protocol = 30704 // KIP-951
	Protocol39IV0 Protocol = 30900 // KIP-1005, KIP-853

	oldestProtocol, newestProtocol = Protocol24IV0, Protocol39IV0
)

// OldRecordFormats reports whether topics may be stored in the formats of before 0.11: log.message.format.version and
// message.format.version count only below 3.0-IV1 (KIP-724).
func (p Protocol) OldRecordFormats() bool { return p < Protocol30IV1 }

// releases are the versions of Kafka that inter.broker.protocol.version knows, each with the number of
// steps its protocol took on the way; "3.9" is its last step.
var releases = []struct {
	release      string
	major, minor int
	steps        int // 0: the release has no steps, its name is the version
}{
	{"0.8.0", 0, 8, 0}, {"0.8.1", 0, 8, 0}, {"0.8.2", 0, 8, 0}, {"0.9.0", 0, 9, 0}, {"0.10.0", 0, 10, 2}, {"0.10.1", 0, 10, 3}, {"0.10.2", 0, 10, 1},
	{"0.11.0", 0, 11, 3}, {"1.0", 1, 0, 1}, {"1.1", 1, 1, 1}, {"2.0", 2, 0, 2}, {"2.1", 2, 1, 3}, {"2.2", 2, 2, 2}, {"2.3", 2, 3, 2}, {"2.4", 2, 4, 2},
	{"2.5", 2, 5, 1}, {"2.6", 2, 6, 1}, {"2.7", 2, 7, 3}, {"2.8", 2, 8, 2}, {"3.0", 3, 0, 2}, {"3.1", 3, 1, 1}, {"3.2", 3, 2, 1}, {"3.3", 3, 3, 4},
	{"3.4", 3, 4, 1}, {"3.5", 3, 5, 3}, {"3.6", 3, 6, 3}, {"3.7", 3, 7, 5}, {"3.8", 3, 8, 1}, {"3.9", 3, 9, 1}, {"4.0", 4, 0, 2},
}

// parseProtocol reads a release (3.9, and also 3.9.1), which stands for its last step, or a step (3.9-IV0).
func parseProtocol(s string) (Protocol, bool) {
	name := releaseOf(s)
	for _, r := range releases {
		first := Protocol(r.major*10000 + r.minor*100)
		if name == r.release {
			return first + Protocol(max(r.steps-1, 0)), true
		}
		for step := range r.steps {
			if name == r.release+"-IV"+string(rune('0'+step)) {
				return first + Protocol(step), true
			}
		}
	}
	return 0, false
}

// version is the check of a setting that names a release or one of its steps.
func version(_ string, v Value) (string, string) {
	s := text(v)
	if _, ok := parseProtocol(s); ok {
		return "", ""
	}
	return s, "Version " + s + " is not a valid version"
}

// releaseOf cuts what stands behind the release: the third part of a version, or the fourth of 0.x.
func releaseOf(s string) string {
	parts := strings.Split(strings.TrimRight(s, "."), ".")
	n := 2
	if strings.HasPrefix(s, "0.") {
		n = 3
	}
	if n >= len(parts) {
		return s
	}
	return strings.Join(parts[:n], ".")
}

// setProtocol refuses what no release that a cluster could be rolled from speaks, and what is not known yet.
func (c *Config) setProtocol() error {
	text := c.settings.text("inter.broker.protocol.version")
	p, _ := parseProtocol(text)
	if p < oldestProtocol || p > newestProtocol {
		return fmt.Errorf("inter.broker.protocol.version=%s: Ottla speaks 2.4 to 3.9; roll the cluster to one of these first, or leave it out for 3.9", text)
	}
	c.Protocol = p
	return nil
}
