package group

// consumerProtocol is the protocol type of consumers: only of theirs does the coordinator read the metadata.
const consumerProtocol = "consumer"

// subscribedTopics reads the topics out of a consumer's metadata. All versions begin as version 0 does:
// version int16, count int32, topics string... It reports false for bytes that are no subscription.
func subscribedTopics(metadata []byte) ([]string, bool) {
	r := &reader{b: metadata}
	if version := r.int16("version"); version < 0 {
		return nil, false
	}
	var topics []string
	for range max(0, r.length(true, "topics")) {
		topics = append(topics, r.string("topic"))
		if r.err != nil {
			return nil, false
		}
	}
	return topics, r.err == nil
}
