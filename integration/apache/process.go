package apache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// Process is a server that runs beside the test.
type Process struct {
	name   string
	output string // the file with all that it printed
	cmd    *exec.Cmd
	ended  chan struct{}
	err    error // of Wait; set before ended is closed
	once   sync.Once
}

// StartProcess starts a command as a Process, with its output in dir/name.out: also a server of another
// kind that is to be compared with Kafka.
func StartProcess(name, dir string, cmd *exec.Cmd) (*Process, error) {
	p := &Process{name: name, output: filepath.Join(dir, name+".out"), cmd: cmd, ended: make(chan struct{})}
	out, err := os.OpenFile(p.output, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = out, out
	dieWithParent(cmd)
	started := make(chan error)
	go func() {
		// On Linux the child dies with the thread that started it, so that thread has to live as long.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer out.Close()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.ended)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

// runUntil runs a command to its end, or kills it when ctx ends.
func runUntil(ctx context.Context, cmd *exec.Cmd) error {
	dieWithParent(cmd)
	ended := make(chan error, 1)
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // as in StartProcess
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			ended <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		_ = cmd.Process.Kill()
		<-ended
		return ctx.Err()
	}
}

// Pid returns the id of the process.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Ended tells whether the process has ended, by itself or not, and with which error.
func (p *Process) Ended() (bool, error) {
	select {
	case <-p.ended:
		return true, p.err
	default:
		return false, nil
	}
}

// Output returns what the process has printed so far.
func (p *Process) Output() string {
	b, err := os.ReadFile(p.output)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// Stop ends the process as SIGTERM does, a broker by a controlled shutdown, and waits for its end. After
// thirty seconds it is killed, which is an error.
func (p *Process) Stop() error { return p.StopWithin(30 * time.Second) }

// StopWithin is Stop for those who may take longer: a broker with thousands of partitions does.
func (p *Process) StopWithin(patience time.Duration) (err error) {
	p.once.Do(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.ended:
		case <-time.After(patience):
			_ = p.cmd.Process.Kill()
			<-p.ended
			err = fmt.Errorf("%s did not stop within %v of SIGTERM", p.name, patience)
		}
	})
	return err
}

// Kill ends the process as kill -9 does and waits for its end.
func (p *Process) Kill() {
	p.once.Do(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
	})
}

// WaitReady calls ready until it returns nil, for at most a minute or until the process ends.
func (p *Process) WaitReady(ready func() error) error {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(time.Minute)
	for {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("%s ended before it was ready (%v): %w\n%s", p.name, p.err, errEnded, tail(p.Output()))
		case <-deadline:
			p.Kill()
			return fmt.Errorf("%s is not ready after a minute: %w\n%s", p.name, err, tail(p.Output()))
		case <-ticker.C:
		}
	}
}

var errEnded = errors.New("process has ended")

// tail returns the last lines of a log, enough to see why a server would not start.
func tail(s string) string {
	const most = 6000
	if len(s) > most {
		return "...\n" + s[len(s)-most:]
	}
	return s
}
