package cluster

import (
	"net"
	"slices"
	"strconv"
)

// BrokerID is a broker's number, the N of /brokers/ids/N. Consumers fetch as NoBroker.
type BrokerID int32

const (
	// NoBroker is no broker: the replica id of a client's fetch, the leader of a partition without one.
	NoBroker BrokerID = -1
	// LeaderDuringDelete stands as leader in UpdateMetadata while the topic is being deleted.
	LeaderDuringDelete BrokerID = -2
)

// String is the number itself.
func (id BrokerID) String() string { return strconv.Itoa(int(id)) }

// Endpoint is one address under which a broker is reached: a listener's name, its security protocol
// (PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL), and where it advertises itself.
type Endpoint struct {
	Listener string
	Protocol string
	Host     string
	Port     int32
}

// Address is host:port, ready for net.Dial.
func (e Endpoint) Address() string { return net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port))) }

// Broker is a live broker as ZooKeeper and UpdateMetadata describe it.
type Broker struct {
	ID BrokerID
	// Epoch is the czxid of /brokers/ids/ID: a broker that comes back has a higher one, so requests
	// meant for its earlier life can be refused. It is -1 where nobody knows it.
	Epoch     int64
	Endpoints []Endpoint
	// Rack is broker.rack, or "" without one.
	Rack string
}

// Endpoint finds the broker's endpoint on the named listener.
func (b Broker) Endpoint(listener string) (Endpoint, bool) {
	for _, e := range b.Endpoints {
		if e.Listener == listener {
			return e, true
		}
	}
	return Endpoint{}, false
}

// BrokerIDs are brokers as requests have them.
func BrokerIDs(ids []int32) []BrokerID {
	all := make([]BrokerID, len(ids))
	for i, id := range ids {
		all[i] = BrokerID(id)
	}
	return all
}

// Without is the brokers of a list, in its order, that are not among others.
func Without(ids, gone []BrokerID) []BrokerID {
	kept := make([]BrokerID, 0, len(ids))
	for _, id := range ids {
		if !slices.Contains(gone, id) {
			kept = append(kept, id)
		}
	}
	return kept
}

// Once is the brokers of a list, in its order, each as often as it can be there. Lists come from other brokers, and from znodes
// that anybody may write: a broker that stands in an ISR twice would count as two that have a record.
func Once(ids []BrokerID) []BrokerID {
	kept := make([]BrokerID, 0, len(ids))
	for _, id := range ids {
		if !slices.Contains(kept, id) {
			kept = append(kept, id)
		}
	}
	return kept
}
