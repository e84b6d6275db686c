package integration

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// runProgram runs the program until it ends, in a directory of its own, and returns its exit code and what it printed to
// standard output and to standard error.
func runProgram(t *testing.T, binary, dir string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := exec.CommandContext(patient(t), binary, args...)
	var out, errs bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &errs
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

func TestTheProgram(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: a process of its own")
	}
	p := newProcess(t)
	t.Run("a wrong setting ends it before it begins", func(t *testing.T) { wrongSettingsEnd(t, p.binary) })
	t.Run("SIGTERM ends it cleanly", func(t *testing.T) { endsCleanly(t, p) })
}

// wrongSettingsEnd: a start that cannot succeed says what is wrong with which setting and what would be right, touches nothing, and ends with 1.
func wrongSettingsEnd(t *testing.T, binary string) {
	shipped, err := filepath.Abs("../server.properties")
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		args []string
		code int
		says []string // on standard error, or with exit code 0 on standard output
	}{
		"no number":         {[]string{shipped, "--override", "num.partitions=two"}, 1, []string{"num.partitions", "two", "Not a number of type INT"}},
		"out of its range":  {[]string{shipped, "--override", "num.partitions=0"}, 1, []string{"num.partitions", "0", "at least 1"}},
		"an unknown word":   {[]string{shipped, "--override=compression.type=zip"}, 1, []string{"compression.type", "zip", "zstd, lz4, snappy, gzip"}},
		"two at once":       {[]string{shipped, "--override", "num.partitions=x", "--override", "log.segment.bytes=y"}, 1, []string{"num.partitions", "log.segment.bytes"}},
		"an authorizer":     {[]string{shipped, "--override", "authorizer.class.name=x.Y"}, 1, []string{"authorizer.class.name=x.Y", "leave it out"}},
		"TLS":               {[]string{shipped, "--override", "listeners=SSL://:9093"}, 1, []string{"listeners=SSL://:9093", "only PLAINTEXT"}},
		"no ZooKeeper":      {[]string{shipped, "--override", "zookeeper.connect="}, 1, []string{"zookeeper.connect", "embedded"}},
		"no such file":      {[]string{"none.properties"}, 1, []string{"none.properties"}},
		"no file":           {nil, 1, []string{"no file of settings", "usage: ottla server.properties"}},
		"half an override":  {[]string{shipped, "--override", "num.partitions"}, 1, []string{"num.partitions", "key=value"}},
		"what version":      {[]string{"--version"}, 0, []string{"ottla", "Apache Kafka 3.9, ZooKeeper mode"}},
		"how is it started": {[]string{"--help"}, 0, []string{"usage: ottla server.properties [--override key=value ...]"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			code, stdout, stderr := runProgram(t, binary, dir, tc.args...)
			text := stderr
			if tc.code == 0 {
				text = stdout
			}
			for _, want := range tc.says {
				if !strings.Contains(text, want) {
					t.Errorf("it does not say %q:\n%s", want, text)
				}
			}
			if left, err := os.ReadDir(dir); code != tc.code || err != nil || len(left) > 0 {
				t.Errorf("exit code %d, want %d; it left %v (%v)", code, tc.code, left, err)
			}
		})
	}
}

// endsCleanly: SIGTERM closes the broker, exit code 0, and the logs are marked clean.
func endsCleanly(t *testing.T, p *process) {
	p.start()
	eventually(t, "it serves", func() bool {
		text, err := os.ReadFile(p.log.Name())
		return err == nil && strings.Contains(string(text), "is up after")
	})
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	p.cmd = nil
	if _, err := os.Stat(filepath.Join(p.dir, "logs", ".kafka_cleanshutdown")); err != nil {
		t.Errorf("its logs are not marked clean: %v", err)
	}
}
