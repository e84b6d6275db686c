package web

import (
	"log"
	"strings"

	"github.com/sirupsen/logrus"
)

// errWriter gives what net/http complains of, clients that break off as a rule, to the broker's log.
type errWriter struct{ to logrus.FieldLogger }

func (e errWriter) Write(b []byte) (int, error) {
	e.to.Debug(strings.TrimSuffix(string(b), "\n"))
	return len(b), nil
}

func (e errWriter) logger() *log.Logger { return log.New(e, "", 0) }
