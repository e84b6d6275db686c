package replica

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/server/metadata"
)

// UpdateMetadata hands the controller's picture of the cluster to the metadata cache.
func (m *Manager) UpdateMetadata(req *kmsg.UpdateMetadataRequest) *kmsg.UpdateMetadataResponse {
	m.controller.Lock()
	defer m.controller.Unlock()
	resp := &kmsg.UpdateMetadataResponse{Version: req.Version}
	if resp.ErrorCode = m.fenceLocked(req.ControllerID, req.ControllerEpoch, req.BrokerEpoch); resp.ErrorCode != 0 {
		return resp
	}
	before := m.cache.Snapshot()
	deleted := m.cache.Update(req)
	if lostBroker(before, m.cache.Snapshot()) {
		// A dead follower is no longer about to join, so a high watermark that waited for it may rise.
		for _, p := range m.Partitions() {
			if p.IsLeader() {
				p.raiseAndCheck()
			}
		}
	}
	if len(deleted) > 0 && m.options.Deleted != nil {
		m.options.Deleted(deleted)
	}
	return resp
}

func lostBroker(before, after *metadata.Snapshot) bool {
	for id := range before.Brokers {
		if !after.Alive(id) {
			return true
		}
	}
	return false
}
