package mixed

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"ottla/integration/apache"
)

var (
	dumpedFile    = regexp.MustCompile(`^Dumping (.+)$`)
	dumpedRecord  = regexp.MustCompile(`^\| offset: (\d+) `)
	dumpedTrouble = regexp.MustCompile(`(?i)mismatch|isvalid: false|exception|corrupt|out of order|could not|invalid|not found|fail`)
)

// checkDumps has DumpLogSegments look through what each life has left: every batch is valid, the indexes fit, and each
// record that was known then is there once.
func (j *journey) checkDumps() {
	j.c.t.Helper()
	var files []string
	for i, l := range j.lives {
		suffixes := []string{".log", ".txnindex", ".snapshot"}
		if !l.killed { // what is killed leaves indexes with room for more
			suffixes = append(suffixes, ".index", ".timeindex")
		}
		for _, suffix := range suffixes {
			found, err := filepath.Glob(filepath.Join(j.copies, fmt.Sprintf("%d-*", i), "*-[0-9]", "*"+suffix))
			if err != nil {
				j.c.t.Fatal(err)
			}
			files = append(files, found...)
		}
	}
	dumped := make([]map[string][]int64, len(j.lives))
	for i := range dumped {
		dumped[i] = map[string][]int64{}
	}
	for some := range slices.Chunk(files, 1000) { // what one argument can hold
		j.dump(some, dumped)
	}
	for i, l := range j.lives {
		for partition, offsets := range j.left[i] {
			got := intersection(dumped[i][partition], offsets)
			if !slices.Equal(got, offsets) {
				j.c.t.Errorf("life %d, %v: in the files of %s are %d of %d records", i, l, partition, len(got), len(offsets))
			}
		}
	}
}

// dump adds the offsets of the records in files to those of their life and partition, in their order.
func (j *journey) dump(files []string, dumped []map[string][]int64) {
	j.c.t.Helper()
	output := apache.Tool(j.c.t, apache.DumpLogSegments, "--deep-iteration", "--files", strings.Join(files, ","))
	seen, life, partition := 0, 0, ""
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if m := dumpedFile.FindStringSubmatch(line); m != nil {
			dir := filepath.Dir(m[1])
			partition = filepath.Base(dir)
			if _, err := fmt.Sscanf(filepath.Base(filepath.Dir(dir)), "%d-", &life); err != nil {
				j.c.t.Fatalf("%s: %v", m[1], err)
			}
			seen++
		} else if m := dumpedRecord.FindStringSubmatch(line); m != nil {
			offset, err := strconv.ParseInt(m[1], 10, 64)
			if err != nil {
				j.c.t.Fatal(err)
			}
			dumped[life][partition] = append(dumped[life][partition], offset)
		} else if dumpedTrouble.MatchString(line) {
			j.c.t.Errorf("life %d, %v: DumpLogSegments of %s says: %s", life, j.lives[life], partition, line)
		}
	}
	if seen != len(files) {
		j.c.t.Errorf("DumpLogSegments has looked into %d of %d files", seen, len(files))
	}
}

// intersection keeps those of got that are wanted, as often and in the order as they are there.
func intersection(got, wanted []int64) (out []int64) {
	for _, offset := range got {
		if _, ok := slices.BinarySearch(wanted, offset); ok {
			out = append(out, offset)
		}
	}
	return out
}
