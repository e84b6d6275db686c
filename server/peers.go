package server

import (
	"time"

	"github.com/sirupsen/logrus"

	"ottla/server/peer"
)

// newPeers makes connections to other brokers for one purpose, of which the name tells them. A request's timeout counts from its turn
// to its answer. A nil log is for callers that log what they could not do.
func (b *Broker) newPeers(name string, timeout time.Duration, log logrus.FieldLogger) *peer.Client {
	return peer.New(b.peerOptions(name, timeout, log))
}

func (b *Broker) peerOptions(name string, timeout time.Duration, log logrus.FieldLogger) peer.Options {
	c := b.live.Static()
	return peer.Options{
		ClientID: name, Dial: b.dial, Timeout: timeout, Log: log,
		SetupTimeout: c.ConnectionSetupTimeout, SetupTimeoutMax: c.ConnectionSetupTimeoutMax,
	}
}
