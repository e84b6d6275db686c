package group

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/twmb/franz-go/pkg/kerr"
	"go.uber.org/goleak"

	"ottla/logdir/batch"
	"ottla/purgatory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a Storage in memory. Appends are done at once, or, while held, when release is called.
type memory struct {
	mu struct {
		sync.Mutex
		logs  map[int32][]byte
		ends  map[int32]int64
		fail  error
		hold  bool
		queue []func()
	}
}

func newMemory() *memory {
	m := &memory{}
	m.mu.logs, m.mu.ends = make(map[int32][]byte), make(map[int32]int64)
	return m
}

func (m *memory) Append(partition int32, b []byte, done func(int64, error)) {
	m.mu.Lock()
	work := func() { done(m.write(partition, b)) }
	if m.mu.hold {
		m.mu.queue = append(m.mu.queue, work)
		m.mu.Unlock()
		return
	}
	m.mu.Unlock()
	work()
}

func (m *memory) AppendVerified(partition int32, _ uint64, b []byte, done func(int64, error)) {
	m.Append(partition, b, done)
}

func (m *memory) write(partition int32, b []byte) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mu.fail != nil {
		return -1, m.mu.fail
	}
	h, err := batch.Check(b)
	if err != nil {
		panic(fmt.Sprintf("a bad batch: %v", err))
	}
	base := m.mu.ends[partition]
	batch.SetOffset(b, base)
	m.mu.logs[partition] = append(m.mu.logs[partition], b...)
	m.mu.ends[partition] = base + int64(h.Count)
	return base, nil
}

func (m *memory) setFail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.fail = err
}

func (m *memory) hold() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.hold = true
}

func (m *memory) release() {
	m.mu.Lock()
	queue := m.mu.queue
	m.mu.hold, m.mu.queue = false, nil
	m.mu.Unlock()
	for _, work := range queue {
		work()
	}
}

func (m *memory) Read(partition int32, from int64, maxBytes int) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mu.fail != nil {
		return nil, m.mu.fail
	}
	var out []byte
	for b, err := range batch.All(m.mu.logs[partition]) {
		if err != nil {
			return nil, err
		}
		h, _ := batch.ReadHeader(b)
		if h.LastOffset() >= from && (len(out) == 0 || len(out)+len(b) <= maxBytes) {
			out = append(out, b...)
		} else if len(out) > 0 {
			break
		}
	}
	return out, nil
}

func (m *memory) LogStart(int32) (int64, error) { return 0, nil }

func (m *memory) LogEnd(partition int32) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.ends[partition], nil
}

// records lists what a partition holds, as text.
func (m *memory) records(partition int32) (list []batch.Record) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for b := range batch.All(m.mu.logs[partition]) {
		for r, err := range batch.Records(b) {
			if err != nil {
				panic(err)
			}
			list = append(list, r)
		}
	}
	return list
}

// newCoordinator leads all partitions of a memory. Change the config before with edit, which may be nil.
func newCoordinator(t *testing.T, m *memory, edit func(*Config)) *Coordinator {
	t.Helper()
	c := unelected(t, m, edit)
	for partition := range c.partitions() {
		c.Elect(partition, 1)
	}
	for _, loading := c.owned.All(); loading; _, loading = c.owned.All() {
		time.Sleep(time.Millisecond)
	}
	return c
}

// own has the coordinator lead a partition that nobody lives in.
func own(t *testing.T, c *Coordinator, partition int32) {
	t.Helper()
	if r := c.owned.Begin(t.Context(), partition, 1, false); r == nil || !c.owned.Publish(r, make(map[string]*Group)) {
		t.Fatalf("it does not lead partition %d", partition)
	}
}

func unelected(t *testing.T, m *memory, edit func(*Config)) *Coordinator {
	config := DefaultConfig()
	if edit != nil {
		edit(&config)
	}
	timer := purgatory.NewTimer()
	log := logrus.New()
	log.SetOutput(testLog{t})
	c := New(Options{Storage: m, Timer: timer, Config: config, Partitions: func() int32 { return 4 }, Log: log})
	t.Cleanup(func() { c.Close(); timer.Close() })
	return c
}

type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) {
	if testing.Verbose() {
		fmt.Printf("%s", p)
	}
	return len(p), nil
}

// codeName is an error's name on the wire.
func codeName(code int16) string {
	if code == 0 {
		return "NONE"
	}
	if err := kerr.TypedErrorForCode(code); err != nil {
		return err.Message
	}
	return fmt.Sprint(code)
}
