package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"ottla/integration/apache"
)

var errUsage = errors.New("wrong usage")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// settings are the flags.
type settings struct {
	rounds    int
	seconds   float64
	warmUp    float64
	scenarios []string
	only      []string
	dir       string
	leaveGiB  float64
}

func parseFlags(args []string) (s settings, serveBareAt string, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	var scenarios, only string
	flags.IntVar(&s.rounds, "rounds", 5, "how often each contender has its turn")
	flags.Float64Var(&s.seconds, "seconds", 4, "length of a turn in `seconds`")
	flags.Float64Var(&s.warmUp, "warm-up", 20, "`seconds` of load for Kafka before the first round of a scenario, at least; a quarter for the others")
	flags.StringVar(&scenarios, "scenarios", groups()[0].name, "what to run, scenarios or groups of them, separated by commas:\n"+describeGroups())
	flags.StringVar(&only, "only", "kafka,bare,ottla", "who takes part, separated by commas")
	flags.StringVar(&s.dir, "dir", "", "`directory` to write in; that for temporary files by default")
	flags.Float64Var(&s.leaveGiB, "leave-free", 1.5, "`GiB` of memory to leave free when the page cache is filled; 0 fills nothing")
	flags.StringVar(&serveBareAt, "serve-bare", "", "run the bare loop at this `address` (the bench does so itself)")
	if err := flags.Parse(args); err != nil {
		return s, "", err
	}
	s.only = strings.Split(only, ",")
	if flags.NArg() > 0 || s.rounds < 1 {
		return s, "", fmt.Errorf("%w: see -help", errUsage)
	}
	s.scenarios, err = chosen(strings.Split(scenarios, ","))
	return s, serveBareAt, err
}

func run(ctx context.Context, args []string) error {
	s, bareAt, err := parseFlags(args)
	if err != nil {
		return err
	}
	if bareAt != "" {
		return serveBare(bareAt, s.dir)
	}
	if s.dir == "" {
		s.dir = os.TempDir()
	}
	if s.dir, err = filepath.Abs(s.dir); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(s.dir, "ottla-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	kafka, err := apache.Install(ctx)
	if err != nil {
		return err
	}
	l := &launcher{dir: dir, kafka: kafka, ottla: filepath.Join(dir, "ottla")}
	if slices.Contains(s.only, "ottla") {
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", l.ottla, "ottla").CombinedOutput(); err != nil {
			return fmt.Errorf("build Ottla: %w\n%s", err, out)
		}
	}
	b := &bench{settings: s, launcher: l, report: newReport(), cache: pageCache{dir: dir, leave: s.leaveGiB}}
	defer b.end()
	err = b.run(ctx)
	fmt.Println()
	b.report.print(os.Stdout)
	return err
}
