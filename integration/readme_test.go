package integration

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ottla/integration/testcluster"
)

var codeBlock = regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$")

// readmeBlock is the first block of code in README.md that begins like this, told of another broker than the one it names.
func readmeBlock(t *testing.T, begin string, cluster *testcluster.Cluster) string {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range codeBlock.FindAllStringSubmatch(string(text), -1) {
		if strings.HasPrefix(block[2], begin) {
			return strings.ReplaceAll(block[2], "127.0.0.1:9092", cluster.Addrs()[0])
		}
	}
	t.Fatalf("README.md has no block that begins with %q", begin)
	return ""
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(patient(t), name, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, errs.String())
	}
	return out.String()
}

// What the README has a newcomer type in works as it stands there.
func TestTheFirstRecordsOfTheReadme(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: processes of their own")
	}
	cluster := testcluster.Start(t, 1)
	t.Run("sarama", func(t *testing.T) {
		program := filepath.Join(t.TempDir(), "letters.go")
		write(t, program, readmeBlock(t, "package main", cluster))
		if got := run(t, "go", "run", program); got != "letters-0, offset 0\nLiebe Ottla\n" {
			t.Errorf("it prints %q", got)
		}
	})
	t.Run("kcat", func(t *testing.T) {
		requireKcat(t)
		if got := run(t, "sh", "-ec", readmeBlock(t, "echo ", cluster)); got != "Liebe Ottla\nLiebe Ottla\n" {
			t.Errorf("it prints %q", got)
		}
	})
}
