package replica

import (
	"fmt"
	"strconv"
	"strings"
)

// lostTail notes a partition that this broker leads although its log ends before the high watermark that was written down before the
// last stop: the disk has forgotten records that were committed, as after a power failure when nothing had been flushed.
//
// Rule 8: as a follower it copies them from the leader, and nothing is lost. Elected it is the truth itself, and the others cut
// their logs to it; nobody can help that here, but it is not to happen in silence (TestALeaderThatHasLostItsTailSaysSo).
func (t *transition) lostTail(d *decision) {
	written, first := t.m.controller.written[d.tp]
	if !first {
		return
	}
	delete(t.m.controller.written, d.tp)
	if end := d.log.LogEndOffset(); d.leader() == t.m.id && end < written {
		t.m.metrics.lostTails.Inc()
		t.lost = append(t.lost, fmt.Sprintf("%s ends at %d and was committed to %d", d.tp, end, written))
	}
}

// reportLost says it once for all partitions.
func (t *transition) reportLost() {
	const few = 20 // more than elsewhere: each is a loss
	if len(t.lost) == 0 {
		return
	}
	text := strings.Join(t.lost[:min(few, len(t.lost))], ", ")
	if more := len(t.lost) - few; more > 0 {
		text += " and " + strconv.Itoa(more) + " more"
	}
	t.m.log.Errorf("elected leader of %d partitions whose logs have lost their ends in the last stop; what this broker has lost there nobody may keep: %s", len(t.lost), text)
}
