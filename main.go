// Ottla is a message broker that speaks Apache Kafka's protocol and is coordinated through ZooKeeper:
// the classic design in one static binary.
//
//	ottla server.properties [--override key=value ...]
//	ottla --version
//
// It reads the settings, starts a broker, waits for SIGINT or SIGTERM and closes it: leadership is handed
// over, the logs are flushed and marked clean. A second signal ends the process at once, as kill -9 would.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"

	"ottla/server"
	"ottla/server/config"
)

const usage = `usage: ottla server.properties [--override key=value ...]
       ottla --version`

func main() {
	log := newLogger(os.Stderr)
	if err := run(os.Args[1:], log); err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			log.Error(line)
		}
		os.Exit(1)
	}
}

// run is the whole program: it returns when the broker has been closed, or could not start.
func run(args []string, log *logrus.Logger) error {
	c, err := parseArguments(args)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, usage)
	}
	switch {
	case c.help:
		fmt.Println(usage)
		return nil
	case c.version:
		fmt.Println(version())
		return nil
	}
	settings, err := config.Load(c.file, c.overrides, log)
	if err != nil {
		return err
	}
	// Signals are taken before anything is touched, so that a start can be ended cleanly as well.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()

	broker := server.New(settings, server.WithLogger(log), server.WithVersion(version()))
	ended := make(chan error, 1)
	go func() { ended <- broker.Run(ctx) }()
	for asked := (time.Time{}); ; {
		select {
		case err := <-ended:
			if !asked.IsZero() && errors.Is(err, context.Canceled) {
				return nil // it was told to end before it had started
			}
			return err
		case s := <-signals:
			switch {
			case asked.IsZero():
				asked = time.Now()
				log.Infof("%s: shutting down; once more to end at once", s)
				stop()
			case time.Since(asked) > sameSignal:
				return fmt.Errorf("%s again: ended at once, the logs will be recovered at the next start", s)
			}
		}
	}
}

// sameSignal is how close two signals count as one: who ends a process and its group, as timeout(1) and some
// supervisors do, sends it two.
const sameSignal = 500 * time.Millisecond

type arguments struct {
	file      string
	overrides []string
	version   bool
	help      bool
}

// parseArguments reads what kafka-server-start.sh takes: the file first, then overrides.
func parseArguments(args []string) (a arguments, err error) {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		override, glued := strings.CutPrefix(arg, "--override=")
		switch {
		case arg == "--version":
			a.version = true
		case arg == "--help" || arg == "-h":
			a.help = true
		case glued:
			a.overrides = append(a.overrides, override)
		case arg == "--override" && i+1 < len(args):
			i++
			a.overrides = append(a.overrides, args[i])
		case strings.HasPrefix(arg, "-"):
			return a, fmt.Errorf("%s: not understood", arg)
		case a.file != "":
			return a, fmt.Errorf("%s: one file of settings is enough, and %s is it", arg, a.file)
		default:
			a.file = arg
		}
	}
	if a.file == "" && !a.version && !a.help {
		return a, errors.New("no file of settings named")
	}
	return a, nil
}

// version is what the build knows of itself.
func version() string {
	v := "ottla"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	v += " " + info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v += " " + s.Value[:min(12, len(s.Value))]
		}
	}
	return v + " (protocol of Apache Kafka 3.9, ZooKeeper mode) " + info.GoVersion
}

func newLogger(to io.Writer) *logrus.Logger {
	log := logrus.New()
	log.SetOutput(to)
	log.SetFormatter(&logrus.TextFormatter{FullTimestamp: true, TimestampFormat: "2006-01-02 15:04:05.000", DisableQuote: true})
	return log
}
