package txn

import (
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeTransactions tells of each transactional id in which state its transaction is, since when and with which
// partitions.
func (c *Coordinator) DescribeTransactions(req *kmsg.DescribeTransactionsRequest, reply func(*kmsg.DescribeTransactionsResponse)) {
	resp := req.ResponseKind().(*kmsg.DescribeTransactionsResponse)
	for _, id := range req.TransactionalIDs {
		resp.TransactionStates = append(resp.TransactionStates, c.describe(id))
	}
	reply(resp)
}

func (c *Coordinator) describe(id string) kmsg.DescribeTransactionsResponseTransactionState {
	s := kmsg.NewDescribeTransactionsResponseTransactionState()
	s.TransactionalID = id
	if id == "" {
		s.ErrorCode = kerr.InvalidRequest.Code
		return s
	}
	t, code := c.find(id)
	if code == 0 && t == nil {
		code = kerr.TransactionalIDNotFound.Code
	}
	if code != 0 {
		s.ErrorCode = code
		return s
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.state == Dead {
		s.ErrorCode = kerr.TransactionalIDNotFound.Code
		return s
	}
	s.State, s.TimeoutMillis, s.StartTimestamp = t.mu.state.String(), t.mu.timeout, t.mu.started
	s.ProducerID, s.ProducerEpoch = t.mu.producerID, t.mu.epoch
	for _, of := range t.mu.metadata.partitions.byTopic() {
		topic := kmsg.NewDescribeTransactionsResponseTransactionStateTopic()
		topic.Topic, topic.Partitions = of.name, of.partitions
		s.Topics = append(s.Topics, topic)
	}
	return s
}

// ListTransactions lists the transactional ids that this broker coordinates, those that pass the filters.
func (c *Coordinator) ListTransactions(req *kmsg.ListTransactionsRequest, reply func(*kmsg.ListTransactionsResponse)) {
	resp := req.ResponseKind().(*kmsg.ListTransactionsResponse)
	all, stillLoading := c.owned.All()
	if stillLoading {
		resp.ErrorCode = kerr.CoordinatorLoadInProgress.Code
		reply(resp)
		return
	}
	var states []State
	for _, name := range req.StateFilters {
		if s, ok := stateNamed(name); ok {
			states = append(states, s)
		} else {
			resp.UnknownStateFilters = append(resp.UnknownStateFilters, name)
		}
	}
	slices.SortFunc(all, func(a, b *transaction) int { return strings.Compare(a.id, b.id) })
	now := nowMillis()
	for _, t := range all {
		t.mu.Lock()
		m, id := t.mu.metadata, t.id
		t.mu.Unlock()
		switch {
		case m.state == Dead, // it is about to go
			len(req.ProducerIDFilters) > 0 && !slices.Contains(req.ProducerIDFilters, m.producerID),
			len(req.StateFilters) > 0 && !slices.Contains(states, m.state),
			req.DurationFilterMillis >= 0 && now-m.started <= req.DurationFilterMillis:
			continue
		}
		s := kmsg.NewListTransactionsResponseTransactionState()
		s.TransactionalID, s.ProducerID, s.TransactionState = id, m.producerID, m.state.String()
		resp.TransactionStates = append(resp.TransactionStates, s)
	}
	reply(resp)
}
