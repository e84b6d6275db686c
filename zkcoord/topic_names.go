package zkcoord

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrInvalidTopic says that a topic may not have that name. The text of what wraps it is Kafka's.
var ErrInvalidTopic = errors.New("invalid topic")

// topicError has Kafka's text and nothing else, since clients see it.
type topicError struct{ text string }

func (e *topicError) Error() string { return e.text }
func (e *topicError) Unwrap() error { return ErrInvalidTopic }

// maxTopicName leaves room in a directory's name for the partition and what deletion appends.
const maxTopicName = 249

// CheckTopicName says in Kafka's words what is wrong with a topic's name.
func CheckTopicName(name string) error {
	reason := ""
	switch {
	case name == "":
		reason = "the empty string is not allowed"
	case name == ".":
		reason = "'.' is not allowed"
	case name == "..":
		reason = "'..' is not allowed"
	case len([]rune(name)) > maxTopicName:
		reason = fmt.Sprintf("the length of '%s' is longer than the max allowed length %d", name, maxTopicName)
	case strings.ContainsFunc(name, illegalInTopic):
		reason = fmt.Sprintf("'%s' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'", name)
	default:
		return nil
	}
	return &topicError{"Topic name is invalid: " + reason}
}

func illegalInTopic(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-')
}

// CheckTopicCollision refuses a name that differs from an existing one only in . and _, since the names
// of metrics have both as _.
func CheckTopicCollision(name string, existing []string) error {
	if !strings.ContainsAny(name, "._") {
		return nil
	}
	folded := strings.ReplaceAll(name, ".", "_")
	var colliding []string
	for _, other := range existing {
		if other != name && strings.ReplaceAll(other, ".", "_") == folded {
			colliding = append(colliding, other)
		}
	}
	if len(colliding) == 0 {
		return nil
	}
	slices.Sort(colliding)
	return &topicError{fmt.Sprintf("Topic '%s' collides with existing topics: %s", name, strings.Join(colliding, ", "))}
}
