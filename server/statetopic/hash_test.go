package statetopic

import "testing"

func TestPartitionsAreChosenLikeJava(t *testing.T) {
	for id, want := range map[string]int32{"": 0, "g-txn": 96578564, "polygenelubricants": -1 << 31, "é😀": 233*31*31 + 0xd83d*31 + 0xde00} {
		if got := JavaHash(id); got != want {
			t.Errorf("hash of %q is %d, want %d", id, got, want)
		}
	}
	if PartitionOf("polygenelubricants", 50) != 0 {
		t.Error("the smallest integer has no absolute value and counts as 0")
	}
}
