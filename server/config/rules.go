package config

import (
	"errors"
	"fmt"
	"slices"
)

// refused is the error of the settings that Ottla must not start with, since it does not obey them and
// silence would be dangerous.
func (s *settings) refused() error {
	var all []error
	for _, k := range tables().broker {
		if k.Standing != Refused || !s.isSet(k.Name) {
			continue
		}
		if def := k.Default; def == nil && text(s.values[k.Name]) == "" || def != nil && text(s.values[k.Name]) == k.canonicalDefault() {
			continue
		}
		shown := text(s.values[k.Name])
		if k.Sensitive() {
			shown = "[hidden]"
		}
		allowed := "leave it out"
		if k.Default != nil && *k.Default != "" {
			allowed = "leave it out, or set it to " + *k.Default
		}
		all = append(all, fmt.Errorf("%s=%s: Ottla does not obey this setting, and to start without it would be dangerous; %s", k.Name, shown, allowed))
	}
	return errors.Join(all...)
}

// canonicalDefault is the default as it is shown once parsed.
func (k Key) canonicalDefault() string {
	v, _ := parseType(k.Type, *k.Default)
	return text(v)
}

// crossChecks holds settings to each other, and to limits that the table cannot tell, as Kafka does.
func (s *settings) crossChecks() error {
	n := func(name string) int64 { v, _ := s.number(name); return v }
	type rule struct {
		broken bool
		name   string
		must   string
	}
	rules := []rule{
		{n("log.retention.hours") == 0 && s.decides("log.retention.hours"), "log.retention.hours", "be unlimited (-1) or at least 1"},
		{n("log.retention.minutes") == 0 && s.decides("log.retention.minutes"), "log.retention.minutes", "be unlimited (-1) or at least 1"},
		{n("log.retention.ms") == 0 && s.decides("log.retention.ms"), "log.retention.ms", "be unlimited (-1) or, greater than or equal to 1"},
		{n("log.roll.ms") < 1 && s.decides("log.roll.ms"), "log.roll.ms", "be greater than or equal to 1"},
		{n("log.roll.jitter.ms") < 0, "log.roll.jitter.ms", "be greater than or equal to 0"},
		{n("log.cleaner.threads") > 0 && n("log.cleaner.dedupe.buffer.size")/max(n("log.cleaner.threads"), 1) <= 1<<20,
			"log.cleaner.dedupe.buffer.size", "be at least 1MB per cleaner thread"},
		{n("replica.fetch.wait.max.ms") > n("replica.socket.timeout.ms"), "replica.socket.timeout.ms",
			"always be at least replica.fetch.wait.max.ms to prevent unnecessary socket timeouts"},
		{n("replica.fetch.wait.max.ms") > n("replica.lag.time.max.ms"), "replica.lag.time.max.ms",
			"be at least replica.fetch.wait.max.ms to prevent frequent changes in ISR"},
		{n("offsets.commit.required.acks") < -1 || n("offsets.commit.required.acks") > n("offsets.topic.replication.factor"),
			"offsets.commit.required.acks", "be greater or equal to -1 and less or equal to offsets.topic.replication.factor"},
		{n("offsets.topic.compression.codec") < 0 || n("offsets.topic.compression.codec") > 4, "offsets.topic.compression.codec",
			"be 0 (none), 1 (gzip), 2 (snappy), 3 (lz4) or 4 (zstd)"},
		{n("queued.max.request.bytes") > 0 && n("queued.max.request.bytes") < n("socket.request.max.bytes"),
			"queued.max.request.bytes", "be larger or equal to socket.request.max.bytes"},
		{!slices.Contains(s.list("group.coordinator.rebalance.protocols"), "classic"), "group.coordinator.rebalance.protocols",
			"hold classic: Disabling the 'classic' protocol is not supported"},
		{n("zookeeper.session.timeout.ms") <= 0, "zookeeper.session.timeout.ms", "be greater than 0"},
	}
	var all []error
	for _, r := range rules {
		if r.broken {
			all = append(all, fmt.Errorf("%s=%s: %s must %s", r.name, text(s.values[r.name]), r.name, r.must))
		}
	}
	return errors.Join(all...)
}

// decides reports whether this one among its synonyms is the one that counts.
func (s *settings) decides(name string) bool {
	for _, other := range brokerSynonyms(name) {
		if s.values[other] != nil {
			return other == name
		}
	}
	return false
}
