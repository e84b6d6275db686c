package config

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
)

// Live is the configuration of a broker that runs: the file's, and over it what ZooKeeper holds for all
// brokers, and over that what it holds for this one. Readers take Current and are never in anybody's way.
type Live struct {
	static *Config
	// state changes only under changing; readers load it.
	changing sync.Mutex
	state    atomic.Pointer[liveState]
}

type liveState struct {
	config          *Config
	brokers, broker map[string]string // /config/brokers/<default> and /config/brokers/N, less what does not count
}

// NewLive begins with what the file says.
func NewLive(c *Config) *Live {
	l := &Live{static: c}
	l.state.Store(&liveState{config: c, brokers: map[string]string{}, broker: map[string]string{}})
	return l
}

// Current is the configuration in force now.
func (l *Live) Current() *Config { return l.state.Load().config }

// Static is the configuration that the broker started with.
func (l *Live) Static() *Config { return l.static }

// SetDefault takes what /config/brokers/<default> holds. What cannot count is left out, and the error
// names it; the rest is in force. Where the rest does not go together, all stays as it was.
func (l *Live) SetDefault(m map[string]string) error { return l.set(m, false) }

// SetBroker is SetDefault for /config/brokers/N, N being this broker.
func (l *Live) SetBroker(m map[string]string) error { return l.set(m, true) }

func (l *Live) set(m map[string]string, perBroker bool) error {
	l.changing.Lock()
	defer l.changing.Unlock()
	counts, left := filterDynamic(m, perBroker)
	next := *l.state.Load()
	if perBroker {
		next.broker = counts
	} else {
		next.brokers = counts
	}
	c, err := l.layered(next.brokers, next.broker)
	if err != nil {
		return errors.Join(left, err)
	}
	next.config = c
	l.state.Store(&next)
	return left
}

// layered is the file's configuration under two dynamic layers. An identity that was made at the start
// stays: it is not in the file.
func (l *Live) layered(brokers, broker map[string]string) (*Config, error) {
	c, err := build(l.static.settings.raw, l.static.settings.unknown, brokers, broker)
	if err != nil {
		return nil, err
	}
	c.BrokerID = l.static.BrokerID
	c.LeaderThrottledRate = runtimeRate("leader.replication.throttled.rate", brokers, broker)
	c.FollowerThrottledRate = runtimeRate("follower.replication.throttled.rate", brokers, broker)
	c.MoveRate = runtimeRate("replica.alter.log.dirs.io.max.bytes.per.second", brokers, broker)
	return c, nil
}

// filterDynamic keeps what may be set there while the broker runs. The error names the rest.
func filterDynamic(m map[string]string, perBroker bool) (counts map[string]string, left error) {
	counts = maps.Clone(m)
	if counts == nil {
		counts = map[string]string{}
	}
	var all []error
	for _, name := range sortedNames(m) {
		k, known := BrokerKey(name)
		if !known {
			k, known = runtimeKey(name)
		}
		var err error
		switch {
		case !known:
			continue // It may belong to somebody else.
		case k.Update == ReadOnly:
			err = fmt.Errorf("dynamic configuration %s: it cannot change while the broker runs, so it does not count", name)
		case k.Update == PerBroker && !perBroker:
			err = fmt.Errorf("dynamic configuration %s: it cannot be set for all brokers at once, so it does not count", name)
		default:
			if _, err = k.parse(m[name]); err != nil {
				err = fmt.Errorf("dynamic configuration %s does not count: %w", name, err)
			}
		}
		if err != nil {
			all = append(all, err)
			delete(counts, name)
		}
	}
	return counts, errors.Join(all...)
}

// Dynamic is what counts of the dynamic settings, for all brokers and for this one. Do not change them.
func (l *Live) Dynamic() (brokers, broker map[string]string) {
	s := l.state.Load()
	return s.brokers, s.broker
}

// WithBrokerID is the configuration of a broker whose number was made by ZooKeeper or found in its log
// directories. Call it before NewLive.
func (c *Config) WithBrokerID(id int32) *Config {
	d := *c
	d.BrokerID = id
	return &d
}
