package replica

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/logdir"
	"ottla/zkcoord/cluster"
)

// Leadership is a partition whose leader changed, and the epoch since which it is so.
type Leadership struct {
	cluster.TopicPartition
	LeaderEpoch int32
}

// LeaderAndISR obeys the controller: leads what it says, follows what it says. onLeadership may be nil; it is
// called before the answer, with the partitions that this broker began to lead and those of which it became a
// follower in a new epoch. It must not send the Manager a request of the controller's.
func (m *Manager) LeaderAndISR(req *kmsg.LeaderAndISRRequest, onLeadership func(leads, follows []Leadership)) *kmsg.LeaderAndISRResponse {
	m.controller.Lock()
	defer m.controller.Unlock()
	resp := &kmsg.LeaderAndISRResponse{Version: req.Version}
	if resp.ErrorCode = m.fenceLocked(req.ControllerID, req.ControllerEpoch, req.BrokerEpoch); resp.ErrorCode != 0 {
		return resp
	}
	t := transition{m: m, decisions: decisionsOf(req)}
	t.run()
	if onLeadership != nil {
		onLeadership(t.leads, t.follows)
	}
	t.answer(resp)
	m.nameOnce.Do(func() { close(m.named) })
	m.obeyed.Store(max(req.BrokerEpoch, m.options.BrokerEpoch()))
	return resp
}

// ObeyedUnder is the broker epoch of this broker under which the controller last told it what to lead and to follow, -1 before it has.
func (m *Manager) ObeyedUnder() int64 { return m.obeyed.Load() }

// decision is what the controller has decided about one partition, and what came of it.
type decision struct {
	tp      cluster.TopicPartition
	topicID cluster.TopicID
	state   *kmsg.LeaderAndISRRequestTopicPartition

	// partition and log are set once nothing stands against it.
	partition *Partition
	log       *logdir.Log
	err       error
}

// decisionsOf reads the partitions, which stand by topic since version 2.
func decisionsOf(req *kmsg.LeaderAndISRRequest) []decision {
	var all []decision
	for i := range req.TopicStates {
		t := &req.TopicStates[i]
		for j := range t.PartitionStates {
			s := &t.PartitionStates[j]
			all = append(all, decision{tp: cluster.TopicPartition{Topic: t.Topic, Partition: s.Partition}, topicID: t.TopicID, state: s})
		}
	}
	for i := range req.PartitionStates {
		s := &req.PartitionStates[i]
		all = append(all, decision{tp: cluster.TopicPartition{Topic: s.Topic, Partition: s.Partition}, state: s})
	}
	return all
}

// leader is who shall lead.
func (d *decision) leader() cluster.BrokerID { return cluster.BrokerID(d.state.Leader) }

// transition is one LeaderAndIsr under way: first each decision is examined, then all that stand are carried out.
type transition struct {
	m              *Manager
	decisions      []decision
	leads, follows []Leadership
	fetch          []Following
	lost           []string // see lostTail
}

func (t *transition) run() {
	var stop []cluster.TopicPartition
	for i := range t.decisions {
		d := &t.decisions[i]
		if d.err = t.m.examine(d); d.log == nil && d.err == nil {
			d.err = t.m.openLog(d)
		}
		if d.partition != nil && (d.err != nil || d.leader() == t.m.id) {
			stop = append(stop, d.tp)
		}
	}
	// Fetchers go first, all at once: one that ended after its partition began to lead could append another
	// leader's records behind ours.
	t.m.removeFetchers(stop)
	for i := range t.decisions {
		d := &t.decisions[i]
		if d.err == nil {
			d.err = t.carryOut(d)
		}
	}
	t.m.addFetchers(t.fetch)
	t.wake()
	t.report()
}

// wake lets everything look again that waits for a partition with a new leader epoch, whoever leads. Whose epoch is over must
// hear of it now and not when its time is up: a follower truncates and fetches under the new one, and until it does, the high
// watermark stands still; who waits for a leader's high watermark waits for another broker's. It comes when all partitions are through: a
// fetch waits for thousands of them, and would come back for the rest after each.
func (t *transition) wake() {
	for i := range t.decisions {
		if t.decisions[i].err == nil {
			t.m.checkAll(t.decisions[i].tp)
		}
	}
}

// report logs a line for all that changed and one for each cause of refusal, not one a partition: after a
// restart there are thousands in a request. What is known already is not worth a line to an operator.
func (t *transition) report() {
	t.reportLost()
	if n := len(t.leads) + len(t.follows); n > 0 {
		t.m.log.Infof("LeaderAndIsr: begins to lead %s, to follow %s", someOf(t.leads), someOf(t.follows))
	}
	refused := map[string][]Leadership{}
	for i := range t.decisions {
		if d := &t.decisions[i]; d.err != nil {
			refused[d.err.Error()] = append(refused[d.err.Error()], Leadership{d.tp, d.state.LeaderEpoch})
		}
	}
	for cause, partitions := range refused {
		if cause == errKnownLeaderEpoch.Error() {
			t.m.log.Debugf("LeaderAndIsr: %s: %s", someOf(partitions), cause)
			continue
		}
		t.m.log.Warnf("LeaderAndIsr: refused %s: %s", someOf(partitions), cause)
	}
}

// carryOut begins the new reign.
func (t *transition) carryOut(d *decision) error {
	change := Leadership{TopicPartition: d.tp, LeaderEpoch: d.state.LeaderEpoch}
	t.lostTail(d)
	if d.leader() == t.m.id {
		newLeader, err := d.partition.makeLeader(d)
		if newLeader {
			t.leads = append(t.leads, change)
		}
		return err
	}
	if d.partition.makeFollower(d) {
		t.follows = append(t.follows, change)
		t.fetch = append(t.fetch, following(d))
	}
	return nil
}

// answer tells the controller of each partition, by topic since version 5.
func (t *transition) answer(resp *kmsg.LeaderAndISRResponse) {
	for i := range t.decisions {
		d := &t.decisions[i]
		told := kmsg.LeaderAndISRResponseTopicPartition{Topic: d.tp.Topic, Partition: d.tp.Partition, ErrorCode: controllerCode(d.err)}
		if resp.Version < 5 {
			resp.Partitions = append(resp.Partitions, told)
			continue
		}
		if n := len(resp.Topics); n == 0 || resp.Topics[n-1].TopicID != d.topicID {
			resp.Topics = append(resp.Topics, kmsg.LeaderAndISRResponseTopic{TopicID: d.topicID})
		}
		topic := &resp.Topics[len(resp.Topics)-1]
		topic.Partitions = append(topic.Partitions, told)
	}
}

// examine looks what stands against a decision, and finds or makes the partition.
func (m *Manager) examine(d *decision) error {
	p, hosted := m.hosted(d.tp)
	if !hosted {
		p = m.newPartition(d.tp)
	}
	r := p.mu.reign.Load()
	if r.failed {
		// Before any epoch: the controller must hear of the disk. Once the log is back the partition begins as
		// if it were new.
		if _, back := m.logs.Log(d.tp); !back {
			return ErrStorage
		}
	}
	switch {
	case r.log != nil && !sameTopic(r.log.TopicID(), d.topicID):
		return logdir.ErrTopicID
	case d.state.LeaderEpoch < r.leaderEpoch:
		return errStaleLeaderEpoch
	case d.state.LeaderEpoch == r.leaderEpoch:
		return errKnownLeaderEpoch
	case !d.assigns(m.id):
		return errNotAssigned
	}
	d.partition = p
	return nil
}

func (d *decision) assigns(id cluster.BrokerID) bool {
	for _, each := range d.state.Replicas {
		if cluster.BrokerID(each) == id {
			return true
		}
	}
	return false
}

// openLog finds or makes the partition's log. With isNew=false and a directory offline it makes none: the log
// may lie there, and an empty one in its place would lead, and cut the followers back to nothing.
func (m *Manager) openLog(d *decision) (err error) {
	d.log, err = m.logs.LogOrCreate(d.tp, d.topicID, d.state.IsNew)
	if err == nil && !sameTopic(d.log.TopicID(), d.topicID) {
		err = logdir.ErrTopicID
	}
	if errors.Is(err, logdir.ErrTopicID) {
		return err
	}
	m.host(d.partition)
	if err != nil {
		d.partition.goOffline() // from now on it answers for itself that its disk is gone
		m.checkAll(d.tp)
	}
	return err
}

// host puts a partition among those of this broker.
func (m *Manager) host(p *Partition) {
	m.mu.Lock()
	m.mu.partitions[p.tp] = p
	m.mu.Unlock()
}

// sameTopic compares topic ids where both sides know one.
func sameTopic(ours, theirs cluster.TopicID) bool {
	return ours.IsZero() || theirs.IsZero() || ours == theirs
}

// following tells a fetcher where to begin.
func following(d *decision) Following {
	offset, lastEpoch := fetchPosition(d.log)
	return Following{TopicPartition: d.tp, TopicID: d.topicID, Leader: d.leader(), LeaderEpoch: d.state.LeaderEpoch,
		Offset: offset, LastEpoch: lastEpoch}
}
