package integration

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"ottla/integration/apache"
	"ottla/integration/testcluster"
)

// kcat runs kcat (librdkafka) against the cluster and returns what it prints.
func kcat(t *testing.T, cluster *testcluster.Cluster, input string, args ...string) string {
	t.Helper()
	return kcatAt(t, strings.Join(cluster.Addrs(), ","), input, args...)
}

func kcatAt(t *testing.T, addresses, input string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(patient(t), requireKcat(t), append([]string{"-b", addresses}, args...)...)
	cmd.Stdin = strings.NewReader(input)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("kcat %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	return out.String()
}

// requireKcat finds kcat, or skips the test.
func requireKcat(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("kcat")
	if err != nil {
		if os.Getenv(apache.RequireVariable) == "1" {
			t.Fatalf("kcat is not installed, and %s=1 wants it", apache.RequireVariable)
		}
		t.Skip("kcat is not installed")
	}
	return path
}

func TestKcatProducesAndConsumes(t *testing.T) {
	cluster := testcluster.Start(t, 1)
	for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		t.Run(codec, func(t *testing.T) {
			var lines strings.Builder
			for i := range 500 {
				fmt.Fprintf(&lines, "key-%d:value %d %s\n", i, i, strings.Repeat("x", i%100))
			}
			topic := "kcat-" + codec
			kcat(t, cluster, lines.String(), "-P", "-t", topic, "-p", "0", "-K", ":", "-z", codec)
			if got := kcat(t, cluster, "", "-C", "-t", topic, "-p", "0", "-o", "beginning", "-e", "-q", "-K", ":"); got != lines.String() {
				t.Errorf("%d bytes went in, %d came out", lines.Len(), len(got))
			}
		})
	}
}

func TestKcatListsTheCluster(t *testing.T) {
	cluster := testcluster.Start(t, 1)
	kcat(t, cluster, "hello\n", "-P", "-t", "greetings")
	got := kcat(t, cluster, "", "-L")
	for _, want := range []string{"broker 1 at " + cluster.Addrs()[0] + " (controller)", `topic "greetings" with 1 partitions`, "partition 0, leader 1, replicas: 1, isrs: 1"} {
		if !strings.Contains(got, want) {
			t.Errorf("kcat -L does not say %q:\n%s", want, got)
		}
	}
}

func TestKcatFindsOffsetsByTime(t *testing.T) {
	cluster := testcluster.Start(t, 1)
	kcat(t, cluster, "a\nb\nc\n", "-P", "-t", "times", "-p", "0")
	if got := kcat(t, cluster, "", "-Q", "-t", "times:0:0"); !strings.Contains(got, "offset 0") {
		t.Errorf("the first offset since 1970: %s", got)
	}
}

func TestKcatIdempotentAndGroup(t *testing.T) {
	cluster := testcluster.Start(t, 1)
	var lines strings.Builder
	for i := range 1000 {
		fmt.Fprintln(&lines, i)
	}
	kcat(t, cluster, lines.String(), "-P", "-t", "numbers", "-X", "enable.idempotence=true")
	got := kcat(t, cluster, "", "-G", "readers", "-e", "-q", "-X", "auto.offset.reset=earliest", "numbers")
	if got != lines.String() {
		t.Errorf("a group read %d bytes, want %d", len(got), lines.Len())
	}
}
