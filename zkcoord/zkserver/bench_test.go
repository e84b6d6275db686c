package zkserver

import (
	"fmt"
	"sync"
	"testing"

	"github.com/go-zookeeper/zk"
)

// BenchmarkWrites has callers share one connection of the go client, which sends one request per system call:
// set is one write an operation, multi a check and a hundred creations. What one sync costs shows in durable/1.
func BenchmarkWrites(b *testing.B) {
	data, world := make([]byte, 100), zk.WorldACL(zk.PermAll)
	for _, durable := range []bool{false, true} {
		name := "memory"
		if durable {
			name = "durable"
		}
		for _, callers := range []int{1, 64, 512} {
			b.Run(fmt.Sprintf("%s/set/%d", name, callers), func(b *testing.B) {
				c := benchmarked(b, durable)
				shared(b, callers, func(int) error {
					_, err := c.Set("/bench", data, -1)
					return err
				})
			})
		}
		b.Run(name+"/multi100/8", func(b *testing.B) {
			c := benchmarked(b, durable)
			shared(b, 8, func(i int) error {
				ops := []any{&zk.CheckVersionRequest{Path: "/bench", Version: -1}}
				for n := range 100 {
					ops = append(ops, &zk.CreateRequest{Path: fmt.Sprintf("/bench/%d-%d", i, n), Data: data, Acl: world})
				}
				_, err := c.Multi(ops...)
				return err
			})
			b.ReportMetric(float64(b.N)*100/b.Elapsed().Seconds(), "creates/s")
		})
	}
}

func benchmarked(b *testing.B, durable bool) *zk.Conn {
	o := Options{}
	if durable {
		o.DataDir = b.TempDir()
	}
	c := dial(b, start(b, o).Addr())
	if _, err := c.Create("/bench", nil, 0, zk.WorldACL(zk.PermAll)); err != nil {
		b.Fatal(err)
	}
	return c
}

// shared runs b.N operations from several goroutines.
func shared(b *testing.B, callers int, operation func(i int) error) {
	var wg sync.WaitGroup
	numbers := make(chan int, callers)
	for range callers {
		wg.Go(func() {
			for i := range numbers {
				if err := operation(i); err != nil {
					b.Error(err)
				}
			}
		})
	}
	b.ResetTimer()
	for i := range b.N {
		numbers <- i
	}
	close(numbers)
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}

// BenchmarkPipelinedSets leaves the client library out: frames are sent without waiting for answers.
func BenchmarkPipelinedSets(b *testing.B) {
	for name, dir := range map[string]func() string{"memory": func() string { return "" }, "durable": b.TempDir} {
		b.Run(name, func(b *testing.B) {
			s := start(b, Options{DataDir: dir()})
			w := wireSession(b, s.Addr(), "")
			w.create("/bench")
			b.ReportAllocs()
			b.ResetTimer()
			var wg sync.WaitGroup
			wg.Go(func() {
				frame := encode(1, opSetData, "/bench", make([]byte, 100), -1)
				framed := append(encode(len(frame)), frame...)
				var batch []byte
				for i := range b.N {
					if batch = append(batch, framed...); len(batch) > 16<<10 || i == b.N-1 {
						if _, err := w.nc.Write(batch); err != nil {
							b.Error(err)
							return
						}
						batch = batch[:0]
					}
				}
			})
			for range b.N {
				if a := w.receive(); a.err != 0 || a.closed {
					b.Fatal(a)
				}
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
		})
	}
}
