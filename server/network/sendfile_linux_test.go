package network

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestInMemory: only what the page cache holds as a whole is sent without the scheduler's knowledge.
func TestInMemory(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "00.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const size = 300_000
	if _, err := f.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	fd := int(f.Fd())
	if err := unix.Cachestat(uint(fd), &unix.CachestatRange{Len: size}, &unix.Cachestat_t{}, 0); err != nil {
		if inMemory(fd, 0, size) {
			t.Errorf("taken to be in memory, while the system says %v", err)
		}
		return
	}
	for _, r := range []struct {
		position int64
		count    int
	}{{0, size}, {4095, 2}, {8192, 4096}, {size - 1, 1}} {
		if !inMemory(fd, r.position, r.count) {
			t.Errorf("%d bytes from %d on were just written and are not in memory", r.count, r.position)
		}
	}
	if inMemory(fd, size-1, 10_000) {
		t.Error("what lies behind the end is said to be in memory")
	}
}
