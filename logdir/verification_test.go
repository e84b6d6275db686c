package logdir

import (
	"errors"
	"testing"

	"ottla/logdir/batch"
)

// A guard that outlived its transaction would let records in that no marker will ever follow.
func TestGuards(t *testing.T) {
	const producer = 7
	data := batch.Header{ProducerID: producer, BaseSequence: 0, Attributes: 0x10, Count: 1, Magic: 2}
	at := func(h batch.Header, offset int64, sequence int32) *batch.Header {
		h.BaseOffset, h.BaseSequence = offset, sequence
		return &h
	}
	check := func(s *producers, h *batch.Header, g Guard) error {
		_, _, err := s.check(h, batch.Marker{}, false, OriginClient, g)
		return err
	}
	abort := func(s *producers, offset int64) {
		s.add(&batch.Header{ProducerID: producer, BaseOffset: offset, BaseSequence: batch.NoSequence, Attributes: 0x30, Count: 1}, batch.Marker{}, true)
	}
	for name, run := range map[string]func(s *producers) (got, want error){
		"its own guard lets the first batch in": func(s *producers) (error, error) {
			return check(s, at(data, 0, 0), s.startVerification(producer, 0, 0, 1)), nil
		},
		"without one nothing comes in": func(s *producers) (error, error) {
			return check(s, at(data, 0, 0), InTxn), ErrInvalidTxnState
		},
		"a coordinator's batches need none": func(s *producers) (error, error) {
			return check(s, at(data, 0, 0), NoGuard), nil
		},
		"a marker voids it": func(s *producers) (error, error) {
			g := s.startVerification(producer, 0, 0, 1)
			abort(s, 0)
			return check(s, at(data, 1, 0), g), ErrInvalidTxnState
		},
		"and a new one of the same producer does not revive it": func(s *producers) (error, error) {
			g := s.startVerification(producer, 0, 0, 1)
			abort(s, 0)
			s.startVerification(producer, 0, 0, 2)
			return check(s, at(data, 1, 0), g), ErrInvalidTxnState
		},
		"nor after the log was cut": func(s *producers) (error, error) {
			g := s.startVerification(producer, 0, 0, 1)
			s.reset(0)
			s.startVerification(producer, 0, 0, 2)
			return check(s, at(data, 0, 0), g), ErrInvalidTxnState
		},
		"inside the transaction nobody is asked": func(s *producers) (error, error) {
			s.add(at(data, 0, 0), batch.Marker{}, false)
			return check(s, at(data, 1, 1), s.startVerification(producer, 0, 1, 1)), nil
		},
		"which ends with it": func(s *producers) (error, error) {
			s.add(at(data, 0, 0), batch.Marker{}, false)
			g := s.startVerification(producer, 0, 1, 1)
			abort(s, 1)
			return check(s, at(data, 2, 1), g), ErrInvalidTxnState
		},
		"the second batch does not overtake the first": func(s *producers) (error, error) {
			s.startVerification(producer, 0, 0, 1)
			return check(s, at(data, 0, 1), s.startVerification(producer, 0, 1, 1)), ErrOutOfOrderSequence
		},
		"unless it is of a later epoch": func(s *producers) (error, error) {
			s.startVerification(producer, 0, 0, 1)
			later := data
			later.ProducerEpoch = 1
			return check(s, at(later, 0, 3), s.startVerification(producer, 1, 3, 1)), nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := &producers{}
			if got, want := run(s); !errors.Is(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}
