package main

import (
	"fmt"
	"net"
	"sync"
	"time"
)

// proxy stands in front of one server: everybody knows the server by the proxy's address.
type proxy struct {
	links    *links
	to       node
	server   string // host:port of the server itself
	listener net.Listener
	wg       sync.WaitGroup
}

// startProxy returns a proxy in front of a server that need not run yet. It owns its goroutines until Close.
func startProxy(l *links, to node, addr, server string) (*proxy, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("proxy in front of %v: %w", to, err)
	}
	p := &proxy{links: l, to: to, server: server, listener: listener}
	p.wg.Go(p.accept)
	return p, nil
}

// Close ends the proxy. Its links have to be closed before.
func (p *proxy) Close() {
	_ = p.listener.Close()
	p.wg.Wait()
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		accepted, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.wg.Go(func() { p.serve(accepted.(*net.TCPConn)) })
	}
}

func (p *proxy) serve(accepted *net.TCPConn) {
	c := &conn{links: p.links, dialer: accepted}
	if !p.links.enter(c) {
		c.abort()
		return
	}
	defer p.links.leave(c)
	defer c.abort()
	from, err := owner(accepted, p.links.owners())
	if err != nil {
		return // its process has ended, or closed it
	}
	c.out, c.back = link{from, p.to}, link{p.to, from}
	if !c.canConnect() {
		return
	}
	dialed, err := net.DialTimeout("tcp", p.server, 5*time.Second)
	if err != nil {
		return // the server does not run: the dialer sees a reset
	}
	if !c.connect(dialed.(*net.TCPConn)) {
		return
	}
	var pumps sync.WaitGroup
	pumps.Go(func() { c.pump(c.dialer, c.server, c.out, nil) })
	var hello *sniffer
	if p.to == zooKeeper {
		hello = &sniffer{found: func(s session) { p.links.noteSession(from, s) }}
	}
	c.pump(c.server, c.dialer, c.back, hello)
	pumps.Wait()
}
