package network

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// The benchmarks compare a Server with a loop that does only the system calls: a read for the length, one
// for the frame, one write of the answer.

const answerSize = 60

func bareLoop(b *testing.B) net.Addr {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	b.Cleanup(func() { listener.Close(); <-done })
	go func() {
		defer close(done)
		nc, err := listener.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		buffer, answer := make([]byte, 1<<20), make([]byte, 8+answerSize)
		binary.BigEndian.PutUint32(answer, 4+answerSize)
		for {
			if _, err := io.ReadFull(nc, buffer[:4]); err != nil {
				return
			}
			if _, err := io.ReadFull(nc, buffer[:binary.BigEndian.Uint32(buffer)]); err != nil {
				return
			}
			if _, err := nc.Write(answer); err != nil {
				return
			}
		}
	}()
	return listener.Addr()
}

// pipeline sends frames of so many bytes with five in flight, and waits for an answer to each.
func pipeline(b *testing.B, addr net.Addr, bytes int) {
	nc, err := net.Dial("tcp", addr.String())
	if err != nil {
		b.Fatal(err)
	}
	defer nc.Close()
	request := frame(0, 0, 1, string(make([]byte, bytes)))
	b.SetBytes(int64(len(request)))
	b.ReportAllocs()
	slots := make(chan struct{}, 5)
	done := make(chan error, 1)
	before := cpu()
	b.ResetTimer()
	go func() {
		answer := make([]byte, 64<<10)
		for got, want := 0, b.N*(8+answerSize); got < want; {
			n, err := nc.Read(answer)
			if err != nil {
				done <- err
				return
			}
			complete := got / (8 + answerSize)
			got += n
			for range got/(8+answerSize) - complete {
				<-slots
			}
		}
		done <- nil
	}()
	for range b.N {
		slots <- struct{}{}
		if _, err := nc.Write(request); err != nil {
			b.Fatal(err)
		}
	}
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	reportCPU(b, before)
}

// cpu returns the processor time that this process has used, the benchmark's client included.
func cpu() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func reportCPU(b *testing.B, before time.Duration) {
	b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
}

var frameSizes = []int{100, 16 << 10, 192 << 10}

func BenchmarkBareLoop(b *testing.B) {
	for _, size := range frameSizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) { pipeline(b, bareLoop(b), size) })
	}
}

func BenchmarkServer(b *testing.B) {
	answer := make([]byte, answerSize)
	h := handlerFunc(func(r *Request) { r.Answer(Answer{Head: answer}) })
	for _, size := range frameSizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s := start(b, Options{}, h)
			pipeline(b, s.Addrs()["PLAINTEXT"], size)
		})
	}
}

// BenchmarkAnsweredElsewhere answers from another goroutine, as a purgatory does.
func BenchmarkAnsweredElsewhere(b *testing.B) {
	answer := make([]byte, answerSize)
	requests := make(chan *Request, 10)
	go func() {
		for r := range requests {
			r.Answer(Answer{Head: answer})
		}
	}()
	defer close(requests)
	h := handlerFunc(func(r *Request) { r.Pipeline(); requests <- r })
	s := start(b, Options{}, h)
	pipeline(b, s.Addrs()["PLAINTEXT"], 16<<10)
}

// BenchmarkFileRange fetches one range of a file at a time, to find where sendfile begins to pay.
func BenchmarkFileRange(b *testing.B) {
	file, err := os.Create(filepath.Join(b.TempDir(), "segment"))
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	if _, err := file.Write(make([]byte, 8<<20)); err != nil {
		b.Fatal(err)
	}
	for _, size := range []int{4 << 10, 16 << 10, 32 << 10, 64 << 10, 256 << 10, 1 << 20} {
		for _, way := range []string{"sendfile", "read"} {
			b.Run(fmt.Sprintf("%s/%d", way, size), func(b *testing.B) {
				h := handlerFunc(func(r *Request) {
					r.Answer(Answer{Head: make([]byte, 80), Parts: []Part{{File: file, Length: size}}})
				})
				s := start(b, Options{}, h)
				s.gatherFile = 0
				if way == "read" {
					s.gatherFile = 8 << 20
				}
				nc, err := net.Dial("tcp", s.Addrs()["PLAINTEXT"].String())
				if err != nil {
					b.Fatal(err)
				}
				defer nc.Close()
				request, answer := frame(1, 0, 1, "x"), make([]byte, 8+80+size)
				b.SetBytes(int64(len(answer)))
				before := cpu()
				for b.Loop() {
					if _, err := nc.Write(request); err != nil {
						b.Fatal(err)
					}
					if _, err := io.ReadFull(nc, answer); err != nil {
						b.Fatal(err)
					}
				}
				reportCPU(b, before)
			})
		}
	}
}
