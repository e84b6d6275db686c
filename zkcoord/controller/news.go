package controller

import (
	"fmt"
	"strings"

	"github.com/sirupsen/logrus"
)

// news is what one event has done to partitions. They are thousands when a broker dies or a plan of reassignments comes: a line for
// each cause tells how many and names a few, and each by itself is a line for debugging.
type news struct {
	causes []*cause
}

type cause struct {
	level      logrus.Level
	text       string
	partitions []string
}

// note adds one partition to the news of the event under way: "Unclean election", "leader 2, epoch 5, what only [3] had is lost".
func (c *Controller) note(level logrus.Level, what string, p *partition, detail string) {
	line := p.String() + " " + detail
	for _, known := range c.news.causes {
		if known.level == level && known.text == what {
			known.partitions = append(known.partitions, line)
			return
		}
	}
	c.news.causes = append(c.news.causes, &cause{level, what, []string{line}})
}

// tellNews ends an event.
func (c *Controller) tellNews() {
	for _, known := range c.news.causes {
		c.log.WithFields(nil).Log(known.level, known.String())
		if len(known.partitions) > few {
			for _, line := range known.partitions {
				c.log.Debugf("%s: %s", known.text, line)
			}
		}
	}
	c.news = news{}
}

// few is how many partitions a line names.
const few = 5

func (c *cause) String() string {
	n := len(c.partitions)
	text := strings.Join(c.partitions[:min(few, n)], "; ")
	switch {
	case n == 1:
		return c.text + ": " + text
	case n <= few:
		return fmt.Sprintf("%s, %d partitions: %s", c.text, n, text)
	}
	return fmt.Sprintf("%s, %d partitions: %s; and %d more", c.text, n, text, n-few)
}
