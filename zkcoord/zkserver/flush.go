package zkserver

import (
	"errors"
	"fmt"
)

// run writes what is appended until the store is closed, and all of it before it ends.
func (s *store) run() {
	var buffer []byte
	for {
		closing := false
		select {
		case <-s.wake:
		case <-s.done:
			closing = true
		}
		s.mu.Lock()
		chunks, position, abandoned := s.mu.pending, s.mu.records, s.mu.ended
		s.mu.pending = nil
		s.mu.Unlock()
		if abandoned {
			return
		}
		var written int
		var err error
		for _, c := range chunks {
			if buffer, err = s.write(c, buffer); err != nil {
				s.end(err)
				s.failed(err)
				return
			}
			written += len(c.records)
		}
		s.mu.Lock()
		s.mu.bytes -= written
		s.mu.durable = position
		close(s.mu.synced)
		s.mu.synced = make(chan struct{})
		s.mu.Unlock()
		if closing {
			return
		}
	}
}

// write brings one chunk to disk.
func (s *store) write(c chunk, buffer []byte) ([]byte, error) {
	if c.snapshot != nil {
		if err := s.roll(); err != nil {
			return buffer, fmt.Errorf("begin %s: %w", logName(c.number), err)
		}
		s.wg.Go(func() { s.snapshot(c.number, c.snapshot) })
	}
	if len(c.records) == 0 {
		return buffer, nil
	}
	buffer = appendGroup(buffer[:0], s.size, c.records)
	if _, err := s.file.Write(buffer); err != nil {
		return nil, fmt.Errorf("write %s at %d: %w", logName(s.number), s.size, err)
	}
	if err := s.file.Sync(); err != nil {
		return nil, fmt.Errorf("sync %s at %d: %w", logName(s.number), s.size, err)
	}
	s.size += int64(len(buffer))
	if cap(buffer) > 1<<20 {
		buffer = nil
	}
	return buffer, nil
}

// snapshot writes a snapshot beside the running log. If it fails the logs still tell everything.
func (s *store) snapshot(number int64, content []byte) {
	err := s.writeSnapshot(number, content)
	if err == nil {
		s.clean(number)
	} else {
		s.log.WithError(err).Errorf("write %s; older logs are kept", snapshotName(number))
	}
	s.mu.Lock()
	s.mu.snapshotting = false
	s.mu.Unlock()
}

// end makes everybody who waits for the disk give up.
func (s *store) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.ended {
		return
	}
	s.mu.ended, s.mu.err = true, err
	close(s.mu.synced)
}

// close stops the goroutines and lets go of the directory. With flush, what was appended is brought to disk
// before; without, it is left as kill -9 would leave it.
func (s *store) close(flush bool) error {
	select {
	case <-s.done:
		return nil
	default:
	}
	if !flush {
		s.end(nil)
	}
	close(s.done)
	s.wg.Wait()
	s.end(nil)
	return errors.Join(s.mu.err, s.file.Close(), s.fs.close())
}
