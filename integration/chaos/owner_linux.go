package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
)

// owner says which of some processes holds the other end of a connection over loopback: the kernel's table of
// sockets names the socket, and the processes' descriptors who has it.
func owner(accepted *net.TCPConn, processes map[int]node) (node, error) {
	local := accepted.RemoteAddr().(*net.TCPAddr).Port
	remote := accepted.LocalAddr().(*net.TCPAddr).Port
	// The table is read while sockets come and go, and may lack one of them.
	for range 3 {
		inode, err := socketInode(local, remote)
		if err != nil {
			return 0, err
		}
		if inode == "" {
			continue
		}
		for pid, n := range processes {
			if holds(pid, "socket:["+inode+"]") {
				return n, nil
			}
		}
	}
	return 0, fmt.Errorf("nobody known holds the socket with port %d", local)
}

// socketInode finds a connection by its ports. Virtual machines for Java use IPv6 sockets for both families.
func socketInode(local, remote int) (string, error) {
	const localField, remoteField, inodeField = 1, 2, 9
	for _, table := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		text, err := os.ReadFile(table)
		if err != nil {
			return "", fmt.Errorf("find who owns a connection: %w", err)
		}
		for line := range bytes.Lines(text) {
			fields := strings.Fields(string(line))
			if len(fields) > inodeField && hasPort(fields[localField], local) && hasPort(fields[remoteField], remote) && fields[inodeField] != "0" {
				return fields[inodeField], nil
			}
		}
	}
	return "", nil
}

func hasPort(address string, port int) bool {
	_, hex, _ := strings.Cut(address, ":")
	n, err := strconv.ParseUint(hex, 16, 16)
	return err == nil && int(n) == port
}

func holds(pid int, what string) bool {
	dir := fmt.Sprintf("/proc/%d/fd/", pid)
	descriptors, _ := os.ReadDir(dir) // of a process that has ended there are none
	for _, d := range descriptors {
		if target, err := os.Readlink(dir + d.Name()); err == nil && target == what {
			return true
		}
	}
	return false
}
