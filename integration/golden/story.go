package golden

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// UpdateVariable names the environment variable that has Stories write the outcomes down.
const UpdateVariable = "OTTLA_UPDATE_STORIES"

// Stories runs a test for each file that the pattern names, after which it is called. tell plays the story and returns it with the
// outcomes that came of it, as Scenes does.
func Stories(t *testing.T, pattern string, tell func(t *testing.T, story string) (told string)) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories in %s: %v", pattern, err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(strings.TrimSuffix(name, filepath.Ext(name)), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			story := string(text)
			switch told := tell(t, story); {
			case told == story || t.Failed():
			case os.Getenv(UpdateVariable) == "1":
				if err := os.WriteFile(file, []byte(told), 0o644); err != nil {
					t.Fatal(err)
				}
			default:
				t.Errorf("%s goes otherwise; %s=1 writes it down. %s", file, UpdateVariable, firstDifference(told, story))
			}
		})
	}
}

// Scenes has each scene's deeds played, a line each without comments, and returns the story with their outcomes: lines that end with a newline.
// outcome is what stands in the story so far, for a play that has to wait for it.
func Scenes(story string, play func(deeds []string, outcome string) string) (told string) {
	const dashes = "----\n"
	var out strings.Builder
	var deeds []string
	lines := strings.SplitAfter(story, "\n")
	for i := 0; i < len(lines); i++ {
		line := strings.TrimSpace(lines[i])
		if line != "----" {
			out.WriteString(lines[i])
			if line != "" && line[0] != '#' {
				deeds = append(deeds, line)
			}
			continue
		}
		var outcome strings.Builder
		for i+1 < len(lines) && strings.TrimSpace(lines[i+1]) != "" {
			i++
			outcome.WriteString(lines[i])
		}
		out.WriteString(dashes + play(deeds, outcome.String()))
		deeds = nil
	}
	if len(deeds) > 0 {
		out.WriteString(dashes + play(deeds, ""))
	}
	return out.String()
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("Line %d:\n got %s\nwant %s", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("It has %d lines instead of %d.", len(g), len(w))
}
