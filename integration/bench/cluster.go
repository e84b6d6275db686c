package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// cluster is one contender that runs: its brokers, or the bare loop alone.
type cluster struct {
	contender string
	servers   []*server
}

// usage is what one run moved and what it cost.
type usage struct {
	bytes   int64
	elapsed time.Duration
	cpu     time.Duration
}

func (u usage) megabytesPerSecond() float64 { return float64(u.bytes) / 1e6 / u.elapsed.Seconds() }
func (u usage) cpuPerGiB() float64          { return u.cpu.Seconds() / (float64(u.bytes) / (1 << 30)) }

// addr is that of its first server.
func (c *cluster) addr() string { return c.servers[0].addr }

func (c *cluster) title() string { return contenderTitle(c.contender) }

func (c *cluster) end() {
	for _, s := range c.servers {
		s.end()
	}
}

// cpu returns the processor time that all its processes have used.
func (c *cluster) cpu() (total time.Duration, err error) {
	for _, s := range c.servers {
		used, err := cpuOf(s.Pid())
		if err != nil {
			return 0, err
		}
		total += used
	}
	return total, nil
}

// measure runs a load, which returns the bytes it moved, and notes what the servers' processes used meanwhile.
func (c *cluster) measure(load func() (int64, error)) (usage, error) {
	before, err := c.cpu()
	if err != nil {
		return usage{}, err
	}
	begin := time.Now()
	n, err := load()
	if err != nil {
		return usage{}, fmt.Errorf("%s: %w", c.title(), err)
	}
	u := usage{bytes: n, elapsed: time.Since(begin)}
	after, err := c.cpu()
	u.cpu = after - before
	return u, err
}

// startAlone starts a contender of one process with new directories and waits until it serves.
func (b *bench) startAlone(contender, zooKeeper string) (*cluster, error) {
	s, err := b.start(contender, zooKeeper)
	if err != nil {
		return nil, err
	}
	c := &cluster{contender: contender, servers: []*server{s}}
	b.ends = append(b.ends, c.end)
	if contender == bareName {
		err = s.WaitReady(func() error {
			connection, err := dial(s.addr)
			if err == nil {
				connection.Close()
			}
			return err
		})
	} else {
		_, err = s.waitForMetadata()
	}
	return c, err
}

// trioSettings are those of a broker that is one of three. The session is short so that little of a fail-over
// is spent on waiting for its end, which is not counted; leaders stay where a scenario has put them.
func trioSettings() map[string]string {
	return map[string]string{
		"offsets.topic.replication.factor":         "3",
		"transaction.state.log.replication.factor": "3",
		"transaction.state.log.min.isr":            "2",
		"auto.leader.rebalance.enable":             "false",
		"zookeeper.session.timeout.ms":             "6000",
	}
}

// startTrio starts three brokers, numbered from 1, in a chroot of their own and waits until each knows all.
func (b *bench) startTrio(contender, zooKeeper string) (*cluster, error) {
	dir, err := b.freshDir(contender)
	if err != nil {
		return nil, err
	}
	c := &cluster{contender: contender}
	b.ends = append(b.ends, c.end)
	for id := 1; id <= 3; id++ {
		at := place{id: id, dir: filepath.Join(dir, fmt.Sprint(id)), zooKeeper: zooKeeper + "/" + filepath.Base(dir), settings: trioSettings()}
		if err := os.Mkdir(at.dir, 0o755); err != nil {
			return nil, err
		}
		s, err := b.startAt(contender, at)
		if err != nil {
			return nil, err
		}
		c.servers = append(c.servers, s)
		if id == 1 { // it makes the chroot and becomes the controller
			if _, err := s.waitForMetadata(); err != nil {
				return nil, err
			}
		}
	}
	return c, c.awaitMembers()
}

// awaitMembers waits until every broker knows all of them.
func (c *cluster) awaitMembers() error {
	for _, s := range c.servers {
		err := s.WaitReady(func() error {
			known, err := metadataOf(s.addr)
			if err == nil && (len(known.Brokers) != len(c.servers) || known.ControllerID < 0) {
				err = fmt.Errorf("%d brokers are known, controller %d", len(known.Brokers), known.ControllerID)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// restart starts a server that has ended again where it was.
func (b *bench) restart(c *cluster, index int) (*server, error) {
	s, err := b.startAt(c.contender, c.servers[index].place)
	if err == nil {
		c.servers[index] = s
	}
	return s, err
}

// sleep waits unless the run is interrupted.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
