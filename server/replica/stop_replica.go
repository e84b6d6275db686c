package replica

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/logdir"
	"ottla/zkcoord/cluster"
)

// epochDuringDelete is the leader epoch of a StopReplica for a topic that is deleted: it is above every other.
const epochDuringDelete int32 = -2

// StopReplica ends the copying of partitions, and deletes those of which the controller says so. A partition
// that is stopped only keeps its state: the LeaderAndIsr that gave it away has come, or will come.
func (m *Manager) StopReplica(req *kmsg.StopReplicaRequest) *kmsg.StopReplicaResponse {
	m.controller.Lock()
	defer m.controller.Unlock()
	resp := &kmsg.StopReplicaResponse{Version: req.Version}
	if resp.ErrorCode = m.fenceLocked(req.ControllerID, req.ControllerEpoch, req.BrokerEpoch); resp.ErrorCode != 0 {
		return resp
	}
	var stops []stop
	for _, s := range stopsOf(req) {
		if s.code = m.mayStop(s); s.code == 0 {
			stops = append(stops, s)
		} else {
			resp.Partitions = append(resp.Partitions, s.answer())
		}
	}
	m.stopFetchers(stops)
	for _, s := range stops {
		if s.remove {
			s.code = m.remove(s.tp)
		}
		m.checkAll(s.tp)
		resp.Partitions = append(resp.Partitions, s.answer())
	}
	return resp
}

// stop is one partition of a StopReplica.
type stop struct {
	tp          cluster.TopicPartition
	leaderEpoch int32
	remove      bool
	code        int16
}

func (s stop) answer() kmsg.StopReplicaResponsePartition {
	return kmsg.StopReplicaResponsePartition{Topic: s.tp.Topic, Partition: s.tp.Partition, ErrorCode: s.code}
}

// stopsOf reads the partitions, which stand in three shapes: version 0, 1 and 2, and since 3.
func stopsOf(req *kmsg.StopReplicaRequest) []stop {
	var stops []stop
	for i := range req.Topics {
		topic := &req.Topics[i]
		add := func(partition, leaderEpoch int32, remove bool) {
			tp := cluster.TopicPartition{Topic: topic.Topic, Partition: partition}
			stops = append(stops, stop{tp: tp, leaderEpoch: leaderEpoch, remove: remove})
		}
		for _, s := range topic.PartitionStates {
			add(s.Partition, s.LeaderEpoch, s.Delete)
		}
		for _, n := range topic.Partitions {
			add(n, noEpoch, req.DeletePartitions)
		}
		if req.Version == 0 {
			add(topic.Partition, noEpoch, req.DeletePartitions)
		}
	}
	return stops
}

// mayStop checks the leader epoch. A partition that is not hosted may be deleted all the same: its topic may
// have been deleted while this broker was down, and its log lies here still.
func (m *Manager) mayStop(s stop) (code int16) {
	p, ok := m.hosted(s.tp)
	if !ok {
		return 0
	}
	r := p.mu.reign.Load()
	switch {
	case r.failed:
		return kerr.KafkaStorageError.Code
	case s.leaderEpoch == epochDuringDelete || s.leaderEpoch == noEpoch || s.leaderEpoch >= r.leaderEpoch:
		return 0
	default:
		return kerr.FencedLeaderEpoch.Code
	}
}

// stopFetchers comes before anything is deleted: a fetcher must not write into a log that goes away.
func (m *Manager) stopFetchers(stops []stop) {
	tps := make([]cluster.TopicPartition, len(stops))
	for i, s := range stops {
		tps[i] = s.tp
	}
	m.removeFetchers(tps)
}

// remove forgets the partition and deletes its log.
func (m *Manager) remove(tp cluster.TopicPartition) (code int16) {
	m.mu.Lock()
	p, hosted := m.mu.partitions[tp]
	delete(m.mu.partitions, tp)
	m.mu.Unlock()
	if hosted {
		p.forget()
		m.metrics.dropTopic(p.tp.Topic)
	}
	if err := m.logs.Delete(tp); err != nil && !errors.Is(err, logdir.ErrUnknownLog) {
		m.log.Errorf("%s: cannot delete the log: %v", tp, err)
		return kerr.KafkaStorageError.Code
	}
	return 0
}
