package logdir

// A start looks at a time index's length and last entry only. One that was cut short, is out of order or another segment's shows when
// somebody follows it: what an entry says is held against the batch that it names. Then the index is passed over, once with a
// line in the log, and the batches tell (TestATimeIndexThatLiesIsPassedOver).

// scanForTime is a scan from a batch at or before the first one, from the offset start on, with a timestamp of at least ts.
func (s *segment) scanForTime(ts, start int64, visible *mark) (*scanner, error) {
	// A strictly older entry: of several batches with the timestamp the entry names only one.
	e, ok, err := s.times.floor(ts - 1)
	if err != nil {
		return nil, err
	}
	at := s.base + int64(e.relative)
	if !ok || at <= start {
		return s.scanFor(start, visible.position)
	}
	c, err := s.scanFor(at, visible.position)
	if err != nil {
		return nil, err
	}
	fits, err := c.reach(at, e.timestamp)
	if err == nil && fits {
		return c, nil
	}
	c.close()
	if err != nil {
		return nil, err
	}
	// Of a batch that is being appended, the entry comes before the batch can be seen.
	if at < visible.offset {
		s.times.file.cache.lies(s.times.file)
	}
	return s.scanFor(start, visible.position)
}

// reach goes on to the batch that holds an offset, and reports whether that is what a time entry says it is: the first one
// with this largest timestamp. That none before it has a larger one cannot be seen from here.
func (c *scanner) reach(offset, timestamp int64) (bool, error) {
	for {
		h, position, ok, err := c.next()
		if err != nil || !ok {
			return false, err
		}
		if h.LastOffset() >= offset {
			c.at = position
			return h.MaxTimestamp == timestamp && (h.BaseOffset <= offset || h.IsWrapper()), nil
		}
	}
}

// holds reports whether segment i may have records with a timestamp of at least ts. One whose time index denies it is
// asked itself where that would change the answer: before a segment that has some, and where time seems to go back, as it does
// in the index of an older segment. highest is the largest timestamp of the segments before.
func (l *Log) holds(list []*segment, i int, ts int64, highest *int64) (bool, error) {
	s := list[i]
	newest := s.maxTimestamp().timestamp
	if newest >= ts {
		return true, nil
	}
	ascends := newest > *highest
	*highest = max(*highest, newest)
	if ascends && i+1 < len(list) && list[i+1].maxTimestamp().timestamp < ts {
		return false, nil
	}
	err := l.confirmTime(list, i)
	return s.maxTimestamp().timestamp >= ts, err
}

// confirmTime is the segment's, with the log's lock held where it may be written meanwhile.
func (l *Log) confirmTime(list []*segment, i int) error {
	if list[i].unconfirmed.Load() && i+1 == len(list) {
		l.mu.Lock()
		defer l.mu.Unlock()
	}
	return list[i].confirmTime()
}

// confirmTime holds the largest timestamp, as a start has found it in the time index, against the segment, once: the batch
// that it names has to have it, and none behind the last entry of the offset index a larger one, as those have that an index cut short
// leaves out. Needs the log's lock if the segment is the active one.
func (s *segment) confirmTime() error {
	if !s.unconfirmed.Load() {
		return nil
	}
	told := s.latest.Load()
	fits, err := s.has(told)
	if err != nil {
		return err
	}
	if !fits {
		s.times.file.cache.lies(s.times.file)
		c, err := s.scan(0, s.size.Load())
		if err != nil {
			return err
		}
		found, err := newestOf(c)
		if err != nil {
			return err
		}
		s.latest.CompareAndSwap(told, found) // unless it was truncated meanwhile
	}
	s.unconfirmed.Store(false)
	return nil
}

func (s *segment) has(told *timeMark) (bool, error) {
	if told == nil {
		// Of records without timestamps there are no entries.
		c, err := s.scan(0, s.size.Load())
		if err != nil {
			return false, err
		}
		defer c.close()
		h, _, ok, err := c.next()
		return !ok || h.MaxTimestamp < 0, err
	}
	c, err := s.scanFor(told.offset, s.size.Load())
	if err != nil {
		return false, err
	}
	fits, err := c.reach(told.offset, told.timestamp)
	c.close()
	if err != nil || !fits {
		return false, err
	}
	tail, _ := s.offsets.latest()
	if c, err = s.scanFor(s.base+int64(tail.relative), s.size.Load()); err != nil {
		return false, err
	}
	newest, err := newestOf(c)
	return newest == nil || newest.timestamp <= told.timestamp, err
}

// newestOf closes the scanner and returns the largest timestamp of what was left, nil if there is none.
func newestOf(c *scanner) (newest *timeMark, err error) {
	defer c.close()
	for {
		h, _, ok, err := c.next()
		if err != nil || !ok {
			return newest, err
		}
		if h.MaxTimestamp >= 0 && (newest == nil || h.MaxTimestamp > newest.timestamp) {
			newest = &timeMark{h.MaxTimestamp, h.LastOffset()}
		}
	}
}
