package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"
)

// ticksPerSecond is the unit of /proc/PID/stat, the same on every Linux that Go runs on.
const ticksPerSecond = 100

// cpuOf returns the processor time a process has used, all its threads together.
func cpuOf(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The command's name, in parentheses, may hold spaces. After it utime and stime are fields 12 and 13.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * time.Second / ticksPerSecond, err
}

// memoryOf returns a line of /proc/PID/status in MiB, as VmRSS or VmHWM; NaN where there is no such file.
func memoryOf(pid int, line string) float64 {
	return procKiB(fmt.Sprintf("/proc/%d/status", pid), line) / 1024
}

// procKiB returns the value of a line "Name:   123 kB".
func procKiB(file, name string) float64 {
	content, err := os.ReadFile(file)
	if err != nil {
		return math.NaN()
	}
	for line := range strings.Lines(string(content)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			if fields := strings.Fields(rest); len(fields) > 0 {
				if kib, err := strconv.ParseFloat(fields[0], 64); err == nil {
					return kib
				}
			}
		}
	}
	return math.NaN()
}
