package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
)

// pageCache keeps memory touched. On a virtual machine the first touch of a page costs more than any broker,
// and pages that are freed go back to the host within seconds. So before a run that writes, what is free is
// filled with a file's clean pages; then the pages a broker needs are taken from that file, by reclaim, which
// is the same for everyone. The file is one large hole: reading it fills the cache and needs no disk.
type pageCache struct {
	dir    string
	leave  float64 // GiB to leave free; 0 fills nothing
	pieces []string
	made   int
}

const pieceBytes = 1 << 30

// fill reads pieces until so little memory is free. It does nothing where /proc/meminfo is missing, and
// stops where reading a hole does not take memory.
func (p *pageCache) fill() error {
	total := procKiB("/proc/meminfo", "MemTotal") / (1 << 20)
	for p.leave > 0 {
		free := procKiB("/proc/meminfo", "MemFree") / (1 << 20)
		if math.IsNaN(free) || free < p.leave+1 {
			return nil
		}
		if float64(len(p.pieces)) > 2*total { // the oldest are not in the cache any more
			if err := os.Remove(p.pieces[0]); err != nil {
				return err
			}
			p.pieces = p.pieces[1:]
		}
		if err := p.readPiece(); err != nil {
			return fmt.Errorf("fill the page cache: %w", err)
		}
		if now := procKiB("/proc/meminfo", "MemFree") / (1 << 20); now > free-0.25 {
			return nil
		}
	}
	return nil
}

func (p *pageCache) readPiece() error {
	name := filepath.Join(p.dir, fmt.Sprintf("fill-%d", p.made))
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	p.made++
	p.pieces = append(p.pieces, name)
	if err := f.Truncate(pieceBytes); err != nil {
		return err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{f}, make([]byte, 1<<20))
	return err
}
