package statetopic

import (
	"context"
	"errors"
	"slices"
	"testing"

	"ottla/logdir/batch"
)

// logOf is a log whose batches have these base offsets, one record each; reads return one batch at a time.
type logOf struct {
	bases      []int64
	start, end int64
	fail       error
}

func (l *logOf) LogStart(int32) (int64, error) { return l.start, nil }
func (l *logOf) LogEnd(int32) (int64, error)   { return l.end, nil }

func (l *logOf) Read(_ int32, from int64, _ int) ([]byte, error) {
	for _, base := range l.bases {
		if base >= from {
			b := batch.NewBuilder(batch.PlainOptions(batch.None))
			b.Append(0, nil, nil)
			data := b.Bytes()
			batch.SetOffset(data, base)
			return data, l.fail
		}
	}
	return nil, l.fail
}

func TestReplay(t *testing.T) {
	broken := errors.New("broken")
	for name, tc := range map[string]struct {
		log    logOf
		refuse int64 // the offset at which take gives up, -1 never
		want   []int64
		err    error
	}{
		"every batch from the start to the end":       {logOf{bases: []int64{3, 4, 5}, start: 3, end: 6}, -1, []int64{3, 4, 5}, nil},
		"nothing below the start":                     {logOf{bases: []int64{1, 2, 3}, start: 3, end: 4}, -1, []int64{3}, nil},
		"an empty log":                                {logOf{start: 7, end: 7}, -1, nil, nil},
		"compaction left nothing at the end":          {logOf{bases: []int64{0}, end: 9}, -1, []int64{0}, nil},
		"what cannot be read ends it":                 {logOf{bases: []int64{0}, end: 1, fail: broken}, -1, nil, broken},
		"what cannot be taken ends it, in the middle": {logOf{bases: []int64{0, 1, 2}, end: 3}, 1, []int64{0}, broken},
	} {
		t.Run(name, func(t *testing.T) {
			var got []int64
			err := Replay(t.Context(), &tc.log, 0, 1, func(_ []byte, h *batch.Header) error {
				if h.BaseOffset == tc.refuse {
					return broken
				}
				got = append(got, h.BaseOffset)
				return nil
			})
			if !errors.Is(err, tc.err) || !slices.Equal(got, tc.want) {
				t.Errorf("took %v, %v; want %v, %v", got, err, tc.want, tc.err)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Replay(ctx, &logOf{bases: []int64{0}, end: 1}, 0, 1, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("when its time is over: %v", err)
	}
}
