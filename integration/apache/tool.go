package apache

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// Classes of Kafka's command-line tools, for Tool.
const (
	TopicCommand              = "org.apache.kafka.tools.TopicCommand"
	ConfigCommand             = "kafka.admin.ConfigCommand"
	ConsumerGroupCommand      = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
	GetOffsetShell            = "org.apache.kafka.tools.GetOffsetShell"
	ConsoleProducer           = "kafka.tools.ConsoleProducer"
	ConsoleConsumer           = "org.apache.kafka.tools.consumer.ConsoleConsumer"
	VerifiableProducer        = "org.apache.kafka.tools.VerifiableProducer"
	VerifiableConsumer        = "org.apache.kafka.tools.VerifiableConsumer"
	ProducerPerformance       = "org.apache.kafka.tools.ProducerPerformance"
	ConsumerPerformance       = "org.apache.kafka.tools.ConsumerPerformance"
	DeleteRecordsCommand      = "org.apache.kafka.tools.DeleteRecordsCommand"
	LogDirsCommand            = "org.apache.kafka.tools.LogDirsCommand"
	DumpLogSegments           = "kafka.tools.DumpLogSegments"
	BrokerAPIVersionsCommand  = "kafka.admin.BrokerApiVersionsCommand"
	ReassignPartitionsCommand = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand"
	LeaderElectionCommand     = "org.apache.kafka.tools.LeaderElectionCommand"
)

// ToolResult is what a tool printed and how it ended.
type ToolResult struct {
	Stdout, Stderr string
	Err            error // nil if its exit code was 0
}

// toolJVM makes short-lived processes start quickly.
var toolJVM = []string{"-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"}

// RunTool runs one of Kafka's tools until it ends or ctx does. stdin may be nil.
func (i *Installation) RunTool(ctx context.Context, stdin io.Reader, class string, args ...string) ToolResult {
	dir, err := os.MkdirTemp("", "kafka-tool-")
	if err != nil {
		return ToolResult{Err: err}
	}
	defer os.RemoveAll(dir)
	cmd, err := i.command(dir, "WARN", toolJVM, class, args...)
	if err != nil {
		return ToolResult{Err: err}
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &stdout, &stderr
	err = runUntil(ctx, cmd)
	if err != nil {
		err = fmt.Errorf("%s %s: %w", class, strings.Join(args, " "), err)
	}
	return ToolResult{stdout.String(), stderr.String(), err}
}

// Tool runs one of Kafka's tools and returns what it printed to its standard output. Any exit code but 0
// fails the test, as do three minutes.
func Tool(t testing.TB, class string, args ...string) string {
	t.Helper()
	return ToolWithInput(t, nil, class, args...)
}

// ToolWithInput is Tool with a standard input, for a console producer.
func ToolWithInput(t testing.TB, stdin io.Reader, class string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	result := Require(t).RunTool(ctx, stdin, class, args...)
	if result.Err != nil {
		t.Fatalf("%v\n%s%s", result.Err, result.Stdout, result.Stderr)
	}
	return result.Stdout
}
