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
