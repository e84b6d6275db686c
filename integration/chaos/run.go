package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// healTime is how long a healed cluster may take until all is as it was. Three virtual machines on two processors
// that others use as well need most of it.
const healTime = 90 * time.Second

// settings are what a run is asked for.
type settings struct {
	kinds    []kind
	seed     uint64
	duration time.Duration // for faults; what was begun is ended
	faults   []fault
	records  int  // that each producer sends at most
	careless bool // clients break the rules, so that there is something to find
	dir      string
}

// outcome is what a run found.
type outcome struct {
	steps    int
	refused  int
	history  History
	txns     TxnHistory
	findings []Finding
	troubles []string // what was no lie, but not well either: a cluster that does not heal, a broker that ends
}

func (o *outcome) clean() bool { return len(o.findings) == 0 && len(o.troubles) == 0 }

// run is one run, from the start of a cluster to the verdict.
type run struct {
	settings
	cluster      *cluster
	workload     *workload
	deeds        *deeds
	transactions *transactions
	say          func(string, ...any)
	outcome      outcome
}

// do returns an error if there could be no run; what the run found is in its outcome.
func (r *run) do(ctx context.Context) error {
	workload, err := startWorkload(ctx, r.cluster.addrs(), r.settings, r.say)
	if err != nil {
		return err
	}
	r.workload = workload
	r.deeds = &deeds{admin: workload.admin, addrs: r.cluster.addrs()}
	defer func() { _ = workload.close() }()
	if r.transactions, err = startTransactions(ctx, r.cluster.addrs(), r.settings, workload); err != nil {
		return err
	}
	defer r.transactions.close()
	if err := r.heal(ctx); err != nil {
		return fmt.Errorf("before any fault: %w", err)
	}
	r.torment(ctx)
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := r.heal(ctx); err != nil && len(r.outcome.troubles) == 0 {
		r.trouble("at the end: %v", err)
	}
	r.conclude(ctx)
	return ctx.Err()
}

// torment carries out the plan until its time is over or the cluster does not heal.
func (r *run) torment(ctx context.Context) {
	n := &nemesis{r.cluster, r.deeds, r.say}
	plan := newPlan(r.seed, r.faults, len(r.cluster.brokers))
	for began := time.Now(); time.Since(began) < r.duration && ctx.Err() == nil; r.outcome.steps++ {
		s := plan.next()
		if err := n.carryOut(ctx, s); err != nil {
			r.trouble("%s: %v", s, err)
			return
		}
		if s.rush {
			continue
		}
		if err := r.heal(ctx); err != nil {
			r.trouble("after %s: %v", s, err)
			return
		}
	}
}

// heal waits until the cluster is as it should be, and works.
func (r *run) heal(ctx context.Context) error {
	r.cluster.links.heal()
	began := time.Now()
	mended := func() error {
		r.revive(ctx)
		return r.deeds.mend(ctx, r.cluster.brokers)
	}
	if err := r.cluster.await(ctx, healTime, "what operators have asked for", mended); err != nil {
		return err
	}
	whole := func() error {
		r.revive(ctx)
		return r.cluster.state.whole(len(r.cluster.brokers))
	}
	if err := r.cluster.await(ctx, healTime, "all replicas to be in sync", whole); err != nil {
		return err
	}
	inSync := time.Since(began)
	if err := r.cluster.await(ctx, healTime, "every partition to take a record", r.workload.progress()); err != nil {
		return err
	}
	everywhere := time.Since(began)
	if err := r.cluster.await(ctx, healTime, "every transactional id to commit", r.transactions.progress()); err != nil {
		return err
	}
	if err := r.cluster.await(ctx, healTime, "a topic that comes and goes", func() error { return r.deeds.use(ctx) }); err != nil {
		return err
	}
	r.say("in sync after %.1fs, records everywhere after %.1fs, transactions after %.1fs", inSync.Seconds(), everywhere.Seconds(), time.Since(began).Seconds())
	return nil
}

// revive starts brokers that have ended by themselves, as a supervisor would. None should, but for Kafka, which
// gives up when its session ends while it starts.
func (r *run) revive(ctx context.Context) {
	for _, b := range r.cluster.brokers {
		if b.running() {
			continue
		}
		switch b.kind {
		case kafka:
			r.say("%v (%s) has ended by itself", b.id, b.kind)
		case ottla:
			r.trouble("%v (%s) has ended by itself; its last words:\n%s", b.id, b.kind, b.lastWords(30))
		}
		if err := r.cluster.start(ctx, b); err != nil {
			r.trouble("%v", err)
		}
	}
}

// conclude lets the clients end, reads what is there, and checks.
func (r *run) conclude(ctx context.Context) {
	r.say("all is healed: no more records, and the group reads to the end")
	if err := r.workload.finish(); err != nil {
		r.trouble("%v", err)
	}
	if err := r.cluster.await(ctx, healTime, "the group", func() error { return r.workload.behind(ctx) }); err != nil {
		r.trouble("%v", err)
	}
	r.workload.stopConsuming()
	r.workload.consuming.Wait()
	r.transactions.conclude(ctx, r.cluster, r.trouble)
	r.readEverything(ctx)
	r.outcome.refused = r.workload.refused()
	r.outcome.history = r.workload.done()
	if len(r.outcome.history.Acks) == 0 {
		r.trouble("no record was acknowledged")
	}
	r.outcome.txns = r.transactions.done()
	r.outcome.findings = append(check(r.outcome.history), checkTransactions(r.outcome.txns)...)
}

func (r *run) readEverything(ctx context.Context) {
	var reads []Read
	err := r.cluster.await(ctx, 30*time.Second, "replicas to be equally long", func() (err error) {
		reads, err = r.cluster.readReplicas(topic, partitions)
		return err
	})
	if err != nil {
		r.trouble("%v", err)
	}
	r.workload.read(reads...)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	reads, err = r.workload.readAll(ctx, r.cluster.addrs())
	if err != nil {
		r.trouble("%v", err)
		return
	}
	r.workload.read(reads...)
}

func (r *run) trouble(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	r.say("TROUBLE: %s", text)
	r.outcome.troubles = append(r.outcome.troubles, text)
}

// save writes the histories beside the logs of the brokers.
func (o *outcome) save(dir string) error {
	for name, history := range map[string]any{"history.json": o.history, "transactions.json": o.txns} {
		text, err := json.Marshal(history)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// verdict says what the run was and what it found.
func (o *outcome) verdict() string {
	polled := 0
	for _, poll := range o.history.Polls {
		polled += len(poll.Entries)
	}
	text := fmt.Sprintf("%d faults; %d records acknowledged, %d refused, %d polled, %d commits, %d assignments\n",
		o.steps, len(o.history.Acks), o.refused, polled, len(o.history.Commits), len(o.history.Assignments))
	text += o.txns.verdict()
	for _, t := range o.troubles {
		text += "TROUBLE: " + t + "\n"
	}
	text += summary(o.findings)
	if o.clean() {
		text += "nothing lost, doubled, reordered, moved or torn\n"
	}
	return text
}

var errFound = errors.New("the cluster did not keep its promises")
