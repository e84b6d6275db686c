package controller

import "ottla/zkcoord"

// Protocol is what inter.broker.protocol.version prescribes to the controller.
type Protocol struct {
	// The versions of the requests to brokers, which are not asked what they understand.
	LeaderAndISR, StopReplica, UpdateMetadata int16
	// TopicIDs says that topics without an id are given one (2.8-IV0).
	TopicIDs bool
	// LeaderRecovery marks the leader of an unclean election as such (3.2-IV0).
	LeaderRecovery bool
	// Feature is what /feature shall be.
	Feature zkcoord.Feature
}

// NewestProtocol is 3.9's.
func NewestProtocol() Protocol {
	return Protocol{LeaderAndISR: 7, StopReplica: 4, UpdateMetadata: 8, TopicIDs: true, LeaderRecovery: true,
		Feature: zkcoord.Feature{Version: 2, Enabled: true}}
}
