package controller

import (
	"errors"
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/zkcoord"
	"ottla/zkcoord/cluster"
)

func TestElection(t *testing.T) {
	for name, tc := range map[string]struct {
		kind                           electionKind
		replicas, isr, online, leaving []cluster.BrokerID
		leader                         cluster.BrokerID
		allowed                        bool
		wantLeader                     cluster.BrokerID // 0: none
		wantISR                        []cluster.BrokerID
		unclean                        bool
	}{
		"the first replica that is alive and in sync leads": {
			replicas: ids(1, 2, 3), isr: ids(3, 2), online: ids(2, 3), wantLeader: 2, wantISR: ids(3, 2)},
		"the dead leave the ISR, which keeps its order": {
			replicas: ids(1, 2, 3), isr: ids(3, 1, 2), online: ids(2, 3), wantLeader: 2, wantISR: ids(3, 2)},
		"alive but not in sync is not enough": {
			replicas: ids(1, 2), isr: ids(1), online: ids(2)},
		"unless the topic allows the loss": {
			replicas: ids(1, 2, 3), isr: ids(1), online: ids(2, 3), allowed: true, wantLeader: 2, wantISR: ids(2), unclean: true},
		"where there is a clean way it is taken": {
			replicas: ids(1, 2), isr: ids(2), online: ids(1, 2), allowed: true, wantLeader: 2, wantISR: ids(2)},
		"nobody alive, nobody leads": {
			replicas: ids(1, 2), isr: ids(1), allowed: true},
		"who is shutting down does not begin to lead": {
			replicas: ids(1, 2), isr: ids(1, 2), online: ids(1, 2), leaving: ids(1), wantLeader: 2, wantISR: ids(2)},
		"an unclean election that was asked for needs no leave": {
			kind: electUnclean, replicas: ids(1, 2), isr: ids(1), online: ids(2), wantLeader: 2, wantISR: ids(2), unclean: true},
		"a reassignment's leader is of the target, the ISR stays": {
			kind: electReassigned, replicas: ids(3, 2), isr: ids(1, 2, 3), online: ids(1, 2, 3), wantLeader: 3, wantISR: ids(1, 2, 3)},
		"a reassignment is never unclean": {
			kind: electReassigned, replicas: ids(3), isr: ids(1), online: ids(1, 3), allowed: true},
		"the preferred leader takes over when it is in sync": {
			kind: electPreferred, replicas: ids(1, 2), isr: ids(2, 1), online: ids(1, 2), leader: 2, wantLeader: 1, wantISR: ids(2, 1)},
		"and not before": {
			kind: electPreferred, replicas: ids(1, 2), isr: ids(2), online: ids(1, 2), leader: 2, allowed: true},
		"a shutdown moves the leader to the next in assignment order": {
			kind: electShutdown, replicas: ids(3, 1, 2), isr: ids(2, 3, 1), online: ids(1, 2, 3), leaving: ids(3), wantLeader: 1, wantISR: ids(2, 1)},
		"a shutdown without another member moves nothing": {
			kind: electShutdown, replicas: ids(3, 1), isr: ids(3), online: ids(1, 3), leaving: ids(3), allowed: true},
	} {
		t.Run(name, func(t *testing.T) {
			current := cluster.LeaderAndISR{Leader: tc.leader, LeaderEpoch: 4, ISR: tc.isr, PartitionEpoch: 9}
			got, err := elect(tc.kind, candidates{tc.replicas, current, tc.online, tc.leaving, tc.allowed, false})
			if tc.wantLeader == 0 {
				if !errors.Is(err, errNoLeader) || !reflect.DeepEqual(got, current) {
					t.Errorf("%+v, %v", got, err)
				}
				return
			}
			want := cluster.LeaderAndISR{Leader: tc.wantLeader, LeaderEpoch: 5, ISR: tc.wantISR, PartitionEpoch: 9}
			if tc.unclean {
				want.Recovery = cluster.LeaderRecovering
			}
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%+v, %v; want %+v", got, err, want)
			}
		})
	}
}

func TestWithoutReplica(t *testing.T) {
	for name, tc := range map[string]struct {
		isr     []cluster.BrokerID
		leader  cluster.BrokerID
		gone    cluster.BrokerID
		want    cluster.BrokerID
		wantISR []cluster.BrokerID // nil: nothing changes
	}{
		"a follower leaves the ISR":               {ids(1, 2), 1, 2, 1, ids(1)},
		"a leader leaves it and leads no more":    {ids(1, 2), 1, 1, -1, ids(2)},
		"the last member stays recorded":          {ids(2), 2, 2, -1, ids(2)},
		"and is not taken out again":              {ids(2), -1, 2, -1, nil},
		"who was no member changes nothing":       {ids(1), 1, 2, 1, nil},
		"nobody was a member, and nobody changes": {nil, -1, 2, -1, nil},
	} {
		t.Run(name, func(t *testing.T) {
			current := cluster.LeaderAndISR{Leader: tc.leader, LeaderEpoch: 4, ISR: tc.isr}
			got, changed := withoutReplica(current, tc.gone)
			want := cluster.LeaderAndISR{Leader: tc.want, LeaderEpoch: 5, ISR: tc.wantISR}
			if tc.wantISR == nil {
				want = current
			}
			if changed != (tc.wantISR != nil) || !reflect.DeepEqual(got, want) {
				t.Errorf("%+v, %v; want %+v", got, changed, want)
			}
		})
	}
}

func TestFirstState(t *testing.T) {
	if got, err := firstState(ids(3, 1, 2), ids(1, 2)); err != nil || !reflect.DeepEqual(got, cluster.LeaderAndISR{Leader: 1, ISR: ids(1, 2)}) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := firstState(ids(3), ids(1)); !errors.Is(err, errNoLeader) {
		t.Error(err)
	}
}

func TestJudge(t *testing.T) {
	current := cluster.LeaderAndISR{Leader: 1, LeaderEpoch: 5, ISR: ids(1, 2), PartitionEpoch: 8, ControllerEpoch: 1}
	recovering := current
	recovering.ISR, recovering.Recovery = ids(1), cluster.LeaderRecovering
	leaving := current // broker 9 is not among those who stay
	leaving.Leader, leaving.ISR = 9, ids(9)
	lives := map[cluster.BrokerID]int64{1: 11, 2: 22, 3: 33}
	for name, tc := range map[string]struct {
		current cluster.LeaderAndISR
		proposal
		version int16
		refused *kerr.Error
		want    []cluster.BrokerID
	}{
		"a member joins":               {proposal: proposal{1, 5, 8, ids(1, 2, 3), nil, 0}, version: 2, want: ids(1, 2, 3)},
		"a member leaves":              {proposal: proposal{1, 5, 8, ids(1), nil, 0}, version: 2, want: ids(1)},
		"what stands is answered":      {proposal: proposal{1, 5, 8, ids(1, 2), nil, 0}, version: 2, want: ids(1, 2)},
		"also with an old epoch":       {proposal: proposal{1, 5, 7, ids(1, 2), nil, 0}, version: 2, want: ids(1, 2)},
		"an old partition epoch":       {proposal: proposal{1, 5, 7, ids(1), nil, 0}, version: 2, refused: kerr.InvalidUpdateVersion},
		"a leader of an earlier epoch": {proposal: proposal{1, 4, 8, ids(1), nil, 0}, version: 2, refused: kerr.FencedLeaderEpoch},
		"a leader of a later epoch":    {proposal: proposal{1, 6, 8, ids(1), nil, 0}, version: 2, refused: kerr.NotController},
		"a later partition epoch":      {proposal: proposal{1, 5, 9, ids(1), nil, 0}, version: 2, refused: kerr.NotController},
		"somebody else asks":           {proposal: proposal{2, 5, 8, ids(1), nil, 0}, version: 2, refused: kerr.InvalidRequest},
		"a leader without itself":      {proposal: proposal{1, 5, 8, ids(2), nil, 0}, version: 2, refused: kerr.InvalidRequest},
		"nobody in sync":               {proposal: proposal{1, 5, 8, nil, nil, 0}, version: 2, refused: kerr.InvalidRequest},
		"a member twice":               {proposal: proposal{1, 5, 8, ids(1, 2, 2), nil, 0}, version: 2, refused: kerr.InvalidRequest},
		"a dead member":                {proposal: proposal{1, 5, 8, ids(1, 4), nil, 0}, version: 2, refused: kerr.IneligibleReplica},
		"a dead member, old version":   {proposal: proposal{1, 5, 8, ids(1, 4), nil, 0}, version: 1, refused: kerr.OperationNotAttempted},
		"epochs unknown":               {proposal: proposal{1, 5, 8, ids(1, 3), []int64{-1, -1}, 0}, version: 3, want: ids(1, 3)},
		"epochs of now":                {proposal: proposal{1, 5, 8, ids(1, 3), []int64{11, 33}, 0}, version: 3, want: ids(1, 3)},
		"a member's earlier life":      {proposal: proposal{1, 5, 8, ids(1, 3), []int64{11, 32}, 0}, version: 3, refused: kerr.IneligibleReplica},
		"a leader that is leaving":     {current: leaving, proposal: proposal{9, 5, 8, ids(9, 3), nil, 0}, version: 2, want: ids(9, 3)},
		"recovery does not begin":      {proposal: proposal{1, 5, 8, ids(1), nil, 1}, version: 2, refused: kerr.InvalidRequest},
		"no such recovery":             {proposal: proposal{1, 5, 8, ids(1), nil, 7}, version: 2, refused: kerr.InvalidRequest},
		"recovery ends":                {current: recovering, proposal: proposal{1, 5, 8, ids(1, 2), nil, 0}, version: 2, want: ids(1, 2)},
		"recovery goes on alone":       {current: recovering, proposal: proposal{1, 5, 8, ids(1, 2), nil, 1}, version: 2, refused: kerr.InvalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.current.Leader == 0 {
				tc.current = current
			}
			got, refused := judge(tc.current, tc.proposal, tc.version, lives)
			want := tc.current
			if tc.refused == nil {
				want.ISR, want.Recovery = tc.want, tc.recovery
			}
			if refused != tc.refused || !reflect.DeepEqual(got, want) {
				t.Errorf("%+v, %v; want %+v, %v", got, refused, want, tc.refused)
			}
		})
	}
}

func TestReassignTo(t *testing.T) {
	assignment := func(replicas, adding, removing []cluster.BrokerID) zkcoord.ReplicaAssignment {
		return zkcoord.ReplicaAssignment{Replicas: replicas, Adding: adding, Removing: removing}
	}
	none := []cluster.BrokerID{}
	for name, tc := range map[string]struct {
		current zkcoord.ReplicaAssignment
		target  []cluster.BrokerID
		want    zkcoord.ReplicaAssignment
	}{
		"one goes, one comes": {assignment(ids(1, 2), none, none), ids(2, 3), assignment(ids(2, 3, 1), ids(3), ids(1))},
		"another order":       {assignment(ids(2, 3), none, none), ids(3, 2), assignment(ids(3, 2), none, none)},
		"only removal":        {assignment(ids(1, 2), none, none), ids(2), assignment(ids(2, 1), none, ids(1))},
		"another target":      {assignment(ids(2, 3, 1), ids(3), ids(1)), ids(4), assignment(ids(4, 2, 1), ids(4), ids(2, 1))},
		"back":                {assignment(ids(2, 3, 1), ids(3), ids(1)), ids(1, 2), assignment(ids(1, 2), none, none)},
	} {
		t.Run(name, func(t *testing.T) {
			if got := reassignTo(tc.current, tc.target); !reflect.DeepEqual(got, tc.want) {
				t.Errorf("%+v, want %+v", got, tc.want)
			}
		})
	}
}
