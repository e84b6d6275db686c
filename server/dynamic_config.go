package server

import (
	"context"
	"net"
	"strings"
	"time"

	"ottla/server/config"
	"ottla/zkcoord"
)

// loadSettings reads what ZooKeeper holds for this broker, for all brokers and for each topic, before the logs
// are opened by it.
func (b *Broker) loadSettings(ctx context.Context) error {
	if err := b.loadBrokerSettings(ctx); err != nil {
		return err
	}
	overrides, err := b.zk.EntityConfigs(ctx, zkcoord.TopicConfig)
	if err != nil {
		return err
	}
	b.topics = newTopicSettings(b.live, overrides, b.readTopicSettings, b.log)
	return nil
}

func (b *Broker) readTopicSettings(topic string) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return b.zk.EntityConfig(ctx, zkcoord.TopicConfig, topic)
}

func (b *Broker) loadBrokerSettings(ctx context.Context) error {
	forAll, err := b.zk.EntityConfig(ctx, zkcoord.BrokerConfig, zkcoord.DefaultEntity)
	if err != nil {
		return err
	}
	own, err := b.zk.EntityConfig(ctx, zkcoord.BrokerConfig, b.id.String())
	if err != nil {
		return err
	}
	b.warnOfSettings(forAll, own)
	// What somebody has left there and cannot be obeyed is said, and the rest counts, as in Kafka.
	if err := b.live.SetDefault(forAll); err != nil {
		b.log.Errorf("Settings of all brokers in ZooKeeper: %v", err)
	}
	if err := b.live.SetBroker(own); err != nil {
		b.log.Errorf("Settings of broker %d in ZooKeeper: %v", b.id, err)
	}
	return nil
}

// warnOfSettings says, once for each, which settings in ZooKeeper do nothing.
func (b *Broker) warnOfSettings(layers ...map[string]string) {
	for _, layer := range layers {
		for name := range layer {
			if warning := config.BrokerWarning(name); warning != "" && !b.warned[name] {
				b.warned[name] = true
				b.log.Warnf("In ZooKeeper: %s", warning)
			}
		}
	}
}

// watchSettings follows /config/changes from here on. The notifications of the last quarter of an hour are
// still there and come first, so nothing is missed that changed while the broker started.
func (b *Broker) watchSettings(context.Context) error {
	b.settings = b.zk.WatchConfigChanges(b.settingsChanged)
	b.running("settings' changes", func() error { b.settings.Close(); return nil }, nil)
	return nil
}

// settingsChanged re-reads the entity that a notification names. The notification itself says nothing
// more, so that one that comes twice or late does no harm.
func (b *Broker) settingsChanged(path string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	kind, name, _ := strings.Cut(path, "/")
	var err error
	switch zkcoord.ConfigKind(kind) {
	case zkcoord.TopicConfig:
		err = b.topicChanged(ctx, name)
	case zkcoord.BrokerConfig:
		if name == b.id.String() || name == zkcoord.DefaultEntity {
			err = b.brokerChanged(ctx)
		}
	}
	if err != nil {
		b.log.Errorf("Settings of %s have changed and could not be read: %v", path, err)
	}
}

func (b *Broker) topicChanged(ctx context.Context, topic string) error {
	overrides, err := b.zk.EntityConfig(ctx, zkcoord.TopicConfig, topic)
	if err != nil {
		return err
	}
	b.topics.set(topic, overrides)
	b.throttles.topic(b, topic)
	b.logs.Reconfigure(topic, b.topics.log(topic))
	b.replicas.Reconfigure(topic, b.topics.replication(topic))
	b.log.Infof("Topic %s: settings are now %v", topic, overrides)
	// By its own setting, not the broker's default: that one has its own notice. The controller elects nobody
	// whom it would not have elected before, so that it may be told more than once.
	if b.topics.of(topic).UncleanLeaderElection && overrides["unclean.leader.election.enable"] != "" {
		b.controller.UncleanElectionAllowed(topic)
	}
	return nil
}

func (b *Broker) brokerChanged(ctx context.Context) error {
	unclean := func() bool { return b.live.Current().Topic(nil).UncleanLeaderElection }
	before := unclean()
	if err := b.loadBrokerSettings(ctx); err != nil {
		return err
	}
	b.applyBrokerSettings()
	if unclean() && !before {
		b.controller.UncleanElectionAllowed("")
	}
	return nil
}

// applyBrokerSettings hands the settings in force to the parts that keep a copy. All others ask each time.
func (b *Broker) applyBrokerSettings() {
	b.logs.SetCleaner(cleanerOptions(b.live.Current()))
	b.logs.SetProducerIDExpiration(b.live.Current().ProducerIDExpiration)
	seen := make(map[string]bool)
	for _, log := range b.logs.Logs() {
		topic := log.TopicPartition().Topic
		if !seen[topic] {
			seen[topic] = true
			b.logs.Reconfigure(topic, b.topics.log(topic))
			b.replicas.Reconfigure(topic, b.topics.replication(topic))
		}
	}
	b.throttles.boundBy(b)
	if limits, err := connectionLimits(context.Background(), b.live.Current(), net.DefaultResolver); err != nil {
		b.log.Errorf("Connections are limited as before: %v", err)
	} else {
		b.network.SetLimits(limits)
	}
	b.fetchers.Resize()
}
