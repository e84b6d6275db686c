package integration

import (
	"regexp"
	"strings"
	"time"
)

// isVolatile reports whether a difference at a path says nothing: addresses, clocks, sizes of disks.
func isVolatile(path string, recorded, ours any) bool {
	field := path[strings.LastIndexByte(path, '.')+1:]
	switch field {
	case "ClusterID":
		return recorded != nil && ours != nil
	case "Port":
		return recorded != int64(-1) && ours != int64(-1)
	case "LogAppendTime", "LastTimestamp":
		// Both have one or neither.
		return recorded != int64(-1) && ours != int64(-1)
	case "Dir", "TotalBytes", "UsableBytes":
		return true
	case "ErrorMessage":
		r, _ := recorded.(string)
		o, _ := ours.(string)
		return milliseconds.ReplaceAllString(r, "") == milliseconds.ReplaceAllString(o, "")
	case "RecordBatches":
		// The bytes are those that were produced; the time of an append may be in them.
		r, _ := recorded.(string)
		o, _ := ours.(string)
		return len(r) == len(o)
	}
	return false
}

// clocks are the probes whose records are judged by the broker's clock, and how far ahead of it their first
// record was.
var clocks = map[string]time.Duration{
	"Produce: topic after.max=60000: +120 s":  0, // the second record is
	"Produce: topic before.max=3600000: -2 h": -2 * time.Hour,
}

// underWay are differences that depend on how fast a broker is, by "section: probe". A topic that was asked
// for just before may be in an answer, or not yet.
var underWay = map[string][]string{
	"Metadata: v12 topics=null: names":         {"METADATA.Topics: has [__transaction_state", "METADATA.Topics: has [auto2"},
	"Metadata: v0 empty list means all: names": {"METADATA.Topics: has [__transaction_state", "METADATA.Topics: has [auto2"},
}

// milliseconds are times in the texts of errors.
var milliseconds = regexp.MustCompile(`\b\d{13}\b`)

// settles are the requests, by API or "section: probe", whose answers tell of changes that arrive in their own time, in Kafka and in
// Ottla: the recording waited, the test asks again.
var settles = map[string]bool{
	"METADATA": true, "DESCRIBE_CONFIGS": true,
	// The topic was made by a request that did not wait for it.
	"Create topics: delete timeoutMs=0 [DELETE_TOPICS v6]": true,
	// The marker of the abort is written after EndTxn was answered.
	"Transactions: fetch, LSO, ListOffsets: after abort, read_committed from 0: aborted list, control batch included [v17]  (0 ms)": true,
}

// tooEarly are the probes whose first call found the recorded broker not ready yet, so that the recording asked again. A
// broker that is ready would count that call as well.
var tooEarly = map[string]bool{
	"Transactions: fetch, LSO, ListOffsets: InitProducerId T1": true,
}

// Why probes are not asked yet.
const (
	access  = "access control and SASL"
	refused = "requests that Kafka itself refuses in ZooKeeper mode; Ottla does not advertise them"
)

// notAsked are the probes that are not sent to Ottla yet, by "section: probe", section or API, with the reason.
// The test fails when Ottla serves one of the APIs, so that the list does not outlive its reason.
var notAsked = map[string]string{
	"DESCRIBE_ACLS": access, "CREATE_DELEGATION_TOKEN": access, "SASL_HANDSHAKE": access,

	"ENVELOPE": refused, "CONSUMER_GROUP_HEARTBEAT": refused, "CONSUMER_GROUP_DESCRIBE": refused,
}

// difference is where Ottla's answer differs on purpose.
type difference struct {
	paths  []string // as compare writes them, or their beginnings
	reason string
}

func (d difference) covers(text string) bool {
	for _, path := range d.paths {
		if strings.HasPrefix(text, path) {
			return true
		}
	}
	return false
}

// deliberate are the probes to which Ottla's answer differs on purpose, by "section: probe". The test fails
// when one is no longer true.
var deliberate = map[string]difference{
	"ApiVersions and malformed requests: the same connection still works": {
		paths:  []string{"API_VERSIONS.ApiKeys: lacks ["},
		reason: "what is not there yet is not advertised (TestTheListsAreCurrent names it)",
	},
}
