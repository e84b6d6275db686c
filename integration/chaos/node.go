package main

import "fmt"

// node is who stands at an end of a link: a broker by its id, ZooKeeper, or the clients, which are this process.
type node int

const (
	zooKeeper node = 0
	clients   node = -1
)

func (n node) String() string {
	switch n {
	case zooKeeper:
		return "ZooKeeper"
	case clients:
		return "clients"
	}
	return fmt.Sprintf("broker %d", int(n))
}

// link is the way from one node to another; the way back is another link.
type link struct{ from, to node }

func (l link) String() string { return fmt.Sprintf("%v -> %v", l.from, l.to) }

// both are the two ways between nodes.
func both(a, b node) []link { return []link{{a, b}, {b, a}} }
