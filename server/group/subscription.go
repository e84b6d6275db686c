package group

import "ottla/server/statetopic"

// consumerProtocol is the protocol type of consumers: only of theirs does the coordinator read the metadata.
const consumerProtocol = "consumer"

// subscribedTopics reads the topics out of a consumer's metadata. All versions begin as version 0 does:
// version int16, count int32, topics string... It reports false for bytes that are no subscription.
func subscribedTopics(metadata []byte) ([]string, bool) {
	r := statetopic.NewReader(metadata)
	if version := r.Int16("version"); version < 0 {
		return nil, false
	}
	var topics []string
	for range max(0, r.Length(true, "topics")) {
		topics = append(topics, r.String("topic"))
		if r.Err != nil {
			return nil, false
		}
	}
	return topics, r.Err == nil
}
