package replica

import (
	"strconv"
	"strings"

	"ottla/zkcoord/cluster"
)

// idList is brokers as log lines show them: [1 2 3].
func idList(ids []cluster.BrokerID) string {
	var b strings.Builder
	b.WriteByte('[')
	for i, id := range ids {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(id.String())
	}
	b.WriteByte(']')
	return b.String()
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// someOf is partitions as log lines show them: the first few, with their leader epochs, and how many there are.
func someOf(partitions []Leadership) string {
	const few = 5
	if len(partitions) == 0 {
		return "none"
	}
	names := make([]string, 0, few)
	for _, p := range partitions[:min(few, len(partitions))] {
		names = append(names, p.String()+" in epoch "+itoa(int64(p.LeaderEpoch)))
	}
	text := strings.Join(names, ", ")
	if more := len(partitions) - few; more > 0 {
		text += " and " + strconv.Itoa(more) + " more"
	}
	return text
}
