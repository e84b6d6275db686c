package golden

import (
	"fmt"
	"strings"
	"testing"
)

func TestScenes(t *testing.T) {
	const story = "# What this is.\n\nadd 1\n# twice\nadd 2\n----\n3\n\nadd 4\n----\nwrong\nin two lines\n"
	var seen []string
	sum := 0
	told := Scenes(story, func(deeds []string, outcome string) string {
		seen = append(seen, strings.Join(deeds, ";")+" -> "+outcome)
		for _, deed := range deeds {
			var n int
			if _, err := fmt.Sscanf(deed, "add %d", &n); err != nil {
				t.Error(err)
			}
			sum += n
		}
		return fmt.Sprintln(sum)
	})
	if want := "# What this is.\n\nadd 1\n# twice\nadd 2\n----\n3\n\nadd 4\n----\n7\n"; told != want {
		t.Errorf("told\n%s\nwant\n%s", told, want)
	}
	if want := []string{"add 1;add 2 -> 3\n", "add 4 -> wrong\nin two lines\n"}; fmt.Sprint(seen) != fmt.Sprint(want) {
		t.Errorf("played %q, want %q", seen, want)
	}
	if got := firstDifference(told, story); !strings.Contains(got, "Line 11:\n got 7\nwant wrong") {
		t.Errorf("the difference is told as %q", got)
	}
}
