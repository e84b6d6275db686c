package api

import (
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/sirupsen/logrus"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/server/config"
)

// rootLogger names the level of all loggers that have none of their own.
const rootLogger = "root"

// Loggers are the broker's named loggers, whose levels clients may read and change (BROKER_LOGGER). They
// write where the root logger writes, in its format and through its hooks.
type Loggers struct {
	root *logrus.Logger
	mu   struct {
		sync.Mutex
		named map[string]*namedLogger
	}
}

type namedLogger struct {
	logger *logrus.Logger
	own    bool // a level of its own; otherwise it follows the root's
}

// NewLoggers makes a registry around root, whose output from now on is shared, a line at a time.
func NewLoggers(root *logrus.Logger) *Loggers {
	l := &Loggers{root: root}
	l.mu.named = map[string]*namedLogger{}
	root.SetOutput(&sharedOutput{w: root.Out})
	return l
}

// sharedOutput lets several loggers, each with a lock of its own, write to one place.
type sharedOutput struct {
	mu sync.Mutex
	w  io.Writer
}

func (o *sharedOutput) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.w.Write(b)
}

// Named returns the logger of one part of the broker, such as controller, with that name as a field. The
// same name is the same logger.
func (l *Loggers) Named(name string) logrus.FieldLogger {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, ok := l.mu.named[name]
	if !ok {
		n = &namedLogger{logger: &logrus.Logger{
			Out: l.root.Out, Hooks: l.root.Hooks, Formatter: l.root.Formatter, ReportCaller: l.root.ReportCaller,
			Level: l.root.GetLevel(), ExitFunc: l.root.ExitFunc,
		}}
		l.mu.named[name] = n
	}
	return n.logger.WithField("logger", name)
}

// Levels are the levels by logger, the root's under root, in Kafka's words.
func (l *Loggers) Levels() map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	levels := map[string]string{rootLogger: levelName(l.root.GetLevel())}
	for name, n := range l.mu.named {
		levels[name] = levelName(n.logger.GetLevel())
	}
	return levels
}

// levels are those of log4j that a client may set, sorted as Kafka lists them.
var levels = []struct {
	name  string
	level logrus.Level
}{
	{"DEBUG", logrus.DebugLevel}, {"ERROR", logrus.ErrorLevel}, {"FATAL", logrus.FatalLevel},
	{"INFO", logrus.InfoLevel}, {"TRACE", logrus.TraceLevel}, {"WARN", logrus.WarnLevel},
}

func levelName(level logrus.Level) string {
	for _, l := range levels {
		if l.level == level {
			return l.name
		}
	}
	return "FATAL" // logrus' panic level lets even less through
}

func levelOf(name string) (logrus.Level, bool) {
	for _, l := range levels {
		if l.name == name {
			return l.level, true
		}
	}
	return 0, false
}

// change checks all steps and then, unless they shall only be checked, takes them. Levels are not kept
// beyond the life of the process.
func (l *Loggers) change(changes []configChange, validateOnly bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range changes {
		if err := l.checkLocked(&changes[i]); err != nil {
			return err
		}
	}
	if validateOnly {
		return nil
	}
	for i := range changes {
		l.applyLocked(&changes[i])
	}
	return nil
}

func (l *Loggers) checkLocked(c *configChange) error {
	_, known := l.mu.named[c.Name]
	known = known || c.Name == rootLogger
	switch c.Op {
	case kmsg.IncrementalAlterConfigOpSet:
		if !known {
			return fail(codeInvalidConfig, "Logger "+c.Name+" does not exist!")
		}
		if _, ok := levelOf(*c.Value); !ok {
			return fail(codeInvalidConfig, "Cannot set the log level of "+c.Name+" to "+*c.Value+
				" as it is not a supported log level. Valid log levels are "+levelNames())
		}
		return nil
	case kmsg.IncrementalAlterConfigOpDelete:
		switch {
		case c.Name == rootLogger:
			return fail(codeInvalidRequest, "Removing the log level of the "+rootLogger+" logger is not allowed")
		case !known:
			return fail(codeInvalidConfig, "Logger "+c.Name+" does not exist!")
		}
		return nil
	case kmsg.IncrementalAlterConfigOpAppend, kmsg.IncrementalAlterConfigOpSubtract:
		return fail(codeInvalidRequest, c.Op.String()+" operation is not allowed for the BROKER_LOGGER resource")
	}
	// Kafka has no word for another kind of step and fails on it.
	return fail(codeUnknownServerError, "")
}

func levelNames() string {
	names := make([]string, len(levels))
	for i, l := range levels {
		names[i] = l.name
	}
	return strings.Join(names, ", ")
}

func (l *Loggers) applyLocked(c *configChange) {
	if c.Op == kmsg.IncrementalAlterConfigOpDelete {
		n := l.mu.named[c.Name]
		n.own = false
		n.logger.SetLevel(l.root.GetLevel())
		return
	}
	level, _ := levelOf(*c.Value) // checked
	if n, ok := l.mu.named[c.Name]; ok {
		n.own = true
		n.logger.SetLevel(level)
		return
	}
	l.root.SetLevel(level)
	for _, n := range l.mu.named {
		if !n.own {
			n.logger.SetLevel(level)
		}
	}
}

// entries describes the loggers, by name.
func (l *Loggers) entries() []config.Entry {
	all := l.Levels()
	entries := make([]config.Entry, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		level := all[name]
		entries = append(entries, config.Entry{Name: name, Value: &level, Source: config.SourceLogger})
	}
	return entries
}
