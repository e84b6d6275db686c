package network

import "net"

// plainReceiver reads from any connection, holding the buffer while it waits.
type plainReceiver struct{ nc net.Conn }

func (p plainReceiver) receive(f *frameReader) (int, error) { return p.nc.Read(f.space()) }
