package api

import "fmt"

// The topics in which the coordinators keep what they know.
const (
	groupTopic       = "__consumer_offsets"
	transactionTopic = "__transaction_state"
)

func isInternalTopic(name string) bool { return name == groupTopic || name == transactionTopic }

// maxTopicName is how long a topic's name may be: its directory's name, with a partition's number and what
// deletion adds, must fit a file name of 255 bytes.
const maxTopicName = 249

// checkTopicName says what is wrong with a topic's name, in Kafka's words.
func checkTopicName(name string) error {
	switch {
	case name == "":
		return fail(codeInvalidTopicException, "Topic name is invalid: the empty string is not allowed")
	case name == "." || name == "..":
		return fail(codeInvalidTopicException, fmt.Sprintf("Topic name is invalid: '%s' is not allowed", name))
	case len(name) > maxTopicName:
		return fail(codeInvalidTopicException, fmt.Sprintf(
			"Topic name is invalid: the length of '%s' is longer than the max allowed length %d", name, maxTopicName))
	}
	for _, r := range name {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-') {
			return fail(codeInvalidTopicException, fmt.Sprintf(
				"Topic name is invalid: '%s' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'", name))
		}
	}
	return nil
}
