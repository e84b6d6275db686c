package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"ottla/integration/apache"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s, err := parseFlags(os.Args[1:], os.Stderr)
	if err == nil {
		err = runIn(ctx, s, os.Stdout)
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

func parseFlags(args []string, help io.Writer) (s settings, err error) {
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.SetOutput(help)
	var names []string
	for _, f := range allFaults() {
		names = append(names, string(f))
	}
	contender := flags.String("contender", "ottla", "apache, ottla or mixed, or the kinds of the three brokers: apache,ottla,ottla")
	faults := flags.String("faults", strings.Join(names, ","), "which faults, separated by commas")
	flags.Uint64Var(&s.seed, "seed", 1, "what the plan of faults follows from")
	flags.DurationVar(&s.duration, "duration", time.Minute, "how long new faults begin")
	flags.IntVar(&s.records, "records", 200_000, "how many records each producer sends at most")
	flags.BoolVar(&s.careless, "careless", false, "produce with acks=1, read what is not committed, commit offsets outside of transactions, fence nobody: to see that it is found")
	flags.StringVar(&s.dir, "dir", "", "`directory` for logs, data and history, kept when something was found; that for temporary files by default")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("%s: not understood", flags.Arg(0))
	}
	if s.faults, err = parseFaults(*faults); err != nil {
		return s, err
	}
	s.kinds, err = parseContender(*contender, s.seed)
	return s, err
}

// parseContender says what the three brokers run. Of mixed clusters a seed has one or the other.
func parseContender(name string, seed uint64) ([]kind, error) {
	switch name {
	case "ottla":
		return []kind{ottla, ottla, ottla}, nil
	case "apache":
		return []kind{kafka, kafka, kafka}, nil
	case "mixed":
		if seed%2 == 0 {
			return []kind{ottla, kafka, ottla}, nil
		}
		return []kind{kafka, ottla, kafka}, nil
	}
	var kinds []kind
	for part := range strings.SplitSeq(name, ",") {
		k := kind(part)
		if k != ottla && k != kafka {
			return nil, fmt.Errorf("contender %q: there are ottla, apache and mixed", part)
		}
		kinds = append(kinds, k)
	}
	if len(kinds) != 3 {
		return nil, fmt.Errorf("contender %s: three brokers are needed", name)
	}
	return kinds, nil
}

// runIn runs in a new directory, which goes again when nothing was found.
func runIn(ctx context.Context, s settings, out io.Writer) error {
	if s.dir == "" {
		s.dir = os.TempDir()
	}
	var err error
	if s.dir, err = filepath.Abs(s.dir); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(s.dir, "ottla-chaos-")
	if err != nil {
		return err
	}
	outcome, err := execute(ctx, s, dir, out)
	if err != nil {
		return fmt.Errorf("%w (logs are in %s)", err, dir)
	}
	fmt.Fprint(out, "\n", outcome.verdict())
	if outcome.clean() {
		return os.RemoveAll(dir)
	}
	if err := outcome.save(dir); err != nil {
		return err
	}
	return fmt.Errorf("seed %d: %w (logs, data and history are in %s)", s.seed, errFound, dir)
}

// execute is a whole run with its cluster.
func execute(ctx context.Context, s settings, dir string, out io.Writer) (*outcome, error) {
	say := func(format string, args ...any) {
		fmt.Fprintln(out, time.Now().Format("15:04:05.000"), fmt.Sprintf(format, args...))
	}
	installation, err := apache.Install(ctx)
	if err != nil {
		return nil, err
	}
	binary := filepath.Join(dir, "ottla")
	if slices.Contains(s.kinds, ottla) {
		if text, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "ottla").CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build Ottla: %w\n%s", err, text)
		}
	}
	say("seed %d, brokers %v, %v of %v, in %s", s.seed, s.kinds, s.duration, s.faults, dir)
	c, err := startCluster(ctx, installation, binary, dir, s.kinds)
	if err != nil {
		return nil, err
	}
	defer c.close()
	r := &run{settings: s, cluster: c, say: say}
	if err := r.do(ctx); err != nil {
		return nil, err
	}
	return &r.outcome, nil
}
