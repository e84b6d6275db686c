package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
)

// pageCache keeps memory touched. On a virtual machine the first touch of a page costs more than any broker,
// and pages that are freed go back to the host soon. So before a run that writes, what is free is filled with
// a written and synced file: then the pages a broker needs are taken from that file, by reclaim, which is the
// same for everyone.
type pageCache struct {
	dir    string
	leave  float64 // GiB to leave free
	pieces []string
	made   int
}

const pieceBytes = 1 << 30

// fill writes pieces until so little memory is free. It does nothing where /proc/meminfo is missing.
func (p *pageCache) fill() error {
	total := procKiB("/proc/meminfo", "MemTotal") / (1 << 20)
	for {
		free := procKiB("/proc/meminfo", "MemFree") / (1 << 20)
		if math.IsNaN(free) || free < p.leave+1 {
			return nil
		}
		// More than memory can hold is not in the cache any more.
		if float64(len(p.pieces)) > total {
			if err := os.Remove(p.pieces[0]); err != nil {
				return err
			}
			p.pieces = p.pieces[1:]
		}
		if err := p.writePiece(); err != nil {
			return err
		}
	}
}

func (p *pageCache) writePiece() error {
	name := filepath.Join(p.dir, fmt.Sprintf("fill-%d", p.made))
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	p.made++
	p.pieces = append(p.pieces, name)
	chunk := make([]byte, 4<<20)
	for n := 0; n < pieceBytes; n += len(chunk) {
		if _, err := f.Write(chunk); err != nil {
			return fmt.Errorf("fill the page cache: %w", err)
		}
	}
	return f.Sync()
}
