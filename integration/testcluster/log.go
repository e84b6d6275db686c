package testcluster

import (
	"io"
	"testing"

	"github.com/sirupsen/logrus"
)

// testLogger writes to the test's log, with the name before each line.
func testLogger(t testing.TB, name string) *logrus.Logger {
	log := logrus.New()
	log.SetOutput(namedOutput{t.Output(), name + ": "})
	log.SetFormatter(&logrus.TextFormatter{DisableColors: true, DisableQuote: true, TimestampFormat: "15:04:05.000", FullTimestamp: true})
	return log
}

// namedOutput tells several brokers' lines apart. A logger writes each line at once.
type namedOutput struct {
	io.Writer
	prefix string
}

func (o namedOutput) Write(line []byte) (int, error) {
	if _, err := o.Writer.Write(append([]byte(o.prefix), line...)); err != nil {
		return 0, err
	}
	return len(line), nil
}
