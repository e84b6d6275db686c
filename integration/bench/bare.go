package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// bareServer is the loop that a broker can be compared with at best: a frame is read by two system calls, a
// batch written by one, an answer by one, fetched ranges sent by sendfile. It checks nothing.
type bareServer struct {
	dir string
	mu  struct {
		sync.Mutex
		logs map[barePartition]*bareLog
	}
	appended chan struct{} // one token; for the one fetch that may wait
}

// barePartition names a log.
type barePartition struct {
	topic     string
	partition int32
}

// bareLog is the file of one partition, all its batches being alike.
type bareLog struct {
	file       *os.File
	size       int64
	batchBytes int64
	records    int64 // of a batch
}

func (l *bareLog) end() int64 {
	if l.batchBytes == 0 {
		return 0
	}
	return l.size / l.batchBytes * l.records
}

// serveBare runs the bare loop until it is killed.
func serveBare(addr, dir string) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return acceptBare(listener, dir)
}

// acceptBare serves the connections of a listener until it is closed.
func acceptBare(listener net.Listener, dir string) error {
	s := &bareServer{dir: dir, appended: make(chan struct{}, 1)}
	s.mu.logs = map[barePartition]*bareLog{}
	for {
		nc, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer nc.Close()
			if err := s.serve(nc.(*net.TCPConn)); err != io.EOF {
				fmt.Fprintln(os.Stderr, err)
			}
		}()
	}
}

func (s *bareServer) serve(nc *net.TCPConn) error {
	frame, answer := make([]byte, 1<<20), make([]byte, 0, 64<<10)
	for {
		if _, err := io.ReadFull(nc, frame[:4]); err != nil {
			return err
		}
		size := int(binary.BigEndian.Uint32(frame))
		if size > len(frame) {
			return fmt.Errorf("a frame of %d bytes", size)
		}
		if _, err := io.ReadFull(nc, frame[:size]); err != nil {
			return err
		}
		w := walk{b: frame[:size]}
		key := w.int16()
		w.int16()
		correlation := w.int32()
		w.string()
		answer = binary.BigEndian.AppendUint32(answer[:0], 0)
		answer = binary.BigEndian.AppendUint32(answer, uint32(correlation))
		var err error
		switch key {
		case produceKey:
			err = s.produce(nc, &w, answer)
		case fetchKey:
			err = s.fetch(nc, &w, answer)
		case forgetKey:
			err = s.forget(nc, answer)
		default:
			err = fmt.Errorf("API key %d", key)
		}
		if err != nil {
			return err
		}
	}
}

// log returns the log of a partition, a new one if it has none.
func (s *bareServer) log(topic []byte, partition int32) (*bareLog, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.mu.logs[barePartition{string(topic), partition}]; l != nil {
		return l, nil
	}
	f, err := os.Create(filepath.Join(s.dir, fmt.Sprintf("%s-%d.log", topic, partition)))
	if err != nil {
		return nil, err
	}
	l := &bareLog{file: f}
	s.mu.logs[barePartition{string(topic), partition}] = l
	return l, nil
}

// forget removes all logs.
func (s *bareServer) forget(nc *net.TCPConn, answer []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.mu.logs {
		if err := errors.Join(l.file.Close(), os.Remove(l.file.Name())); err != nil {
			return err
		}
	}
	clear(s.mu.logs)
	_, err := nc.Write(endFrame(answer))
	return err
}

func (s *bareServer) produce(nc *net.TCPConn, w *walk, answer []byte) error {
	w.take(8) // transaction, acks, time-out
	w.int32()
	topic := w.string()
	var of []int32
	for range w.int32() {
		partition, batch := w.int32(), w.records()
		l, err := s.log(topic, partition)
		if err != nil {
			return err
		}
		s.mu.Lock()
		position := l.size
		binary.BigEndian.PutUint64(batch, uint64(l.end()))
		s.mu.Unlock()
		if _, err := l.file.WriteAt(batch, position); err != nil {
			return err
		}
		s.mu.Lock()
		l.size += int64(len(batch))
		l.batchBytes, l.records = int64(len(batch)), int64(binary.BigEndian.Uint32(batch[batchRecordCountAt:]))
		s.mu.Unlock()
		of = append(of, partition)
	}
	select {
	case s.appended <- struct{}{}:
	default:
	}
	_, err := nc.Write(endFrame(appendProduceAnswer(answer, string(topic), of)))
	return err
}

func (s *bareServer) fetch(nc *net.TCPConn, w *walk, answer []byte) error {
	w.int32()
	deadline := time.After(time.Duration(w.int32()) * time.Millisecond)
	w.take(4 + 4 + 1 + 4 + 4 + 4)
	topic := w.string()
	type piece struct {
		partition  int32
		log        *bareLog
		offset     int64
		most       int64
		end        int64
		at, length int64
	}
	var pieces []piece
	for range w.int32() {
		p := piece{partition: w.int32()}
		w.int32()
		p.offset = w.int64()
		w.int64()
		p.most = int64(w.int32())
		var err error
		if p.log, err = s.log(topic, p.partition); err != nil {
			return err
		}
		pieces = append(pieces, p)
	}
	total := int64(0)
	for expired := false; total == 0 && !expired; {
		s.mu.Lock()
		for i := range pieces {
			p := &pieces[i]
			if p.end = p.log.end(); p.offset < p.end {
				p.at = p.offset / p.log.records * p.log.batchBytes
				p.length = min(p.most, p.log.size-p.at)
				total += p.length
			}
		}
		s.mu.Unlock()
		if total == 0 {
			select {
			case <-s.appended:
			case <-deadline:
				expired = true
			}
		}
	}
	// The length comes first, so all beginnings are made before any of them is sent.
	begin := binary.BigEndian.AppendUint32(answer, 0)
	begin = append(begin, make([]byte, 2+4)...)
	begin = binary.BigEndian.AppendUint32(begin, 1)
	begin = appendString(begin, string(topic))
	begin = binary.BigEndian.AppendUint32(begin, uint32(len(pieces)))
	binary.BigEndian.PutUint32(begin, uint32(len(begin)-4+len(pieces)*fetchedPartitionBytes+int(total)))
	for _, p := range pieces {
		begin = appendFetchedPartition(begin, p.partition, p.end, int(p.length))
		if p.length <= 32<<10 {
			n := len(begin)
			begin = append(begin, make([]byte, p.length)...)
			if _, err := p.log.file.ReadAt(begin[n:], p.at); err != nil {
				return err
			}
			continue
		}
		if _, err := nc.Write(begin); err != nil {
			return err
		}
		begin = begin[:0]
		if _, err := p.log.file.Seek(p.at, io.SeekStart); err != nil {
			return err
		}
		if _, err := nc.ReadFrom(io.LimitReader(p.log.file, p.length)); err != nil {
			return err
		}
	}
	_, err := nc.Write(begin)
	return err
}
