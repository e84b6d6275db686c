package network

import "net/netip"

// Anonymous is the principal of a connection that did not authenticate.
const Anonymous = "User:ANONYMOUS"

// Session is what a connection is known by. All its requests share it.
type Session struct {
	Listener     string         // the listener's name, as EXTERNAL
	Protocol     string         // its security protocol, as PLAINTEXT
	Local        netip.AddrPort // zero for a connection that has no such address
	Remote       netip.AddrPort // likewise
	ConnectionID string         // local address, remote address, processor and index, as Kafka's log lines have it

	// The fields below belong to the handler: they are read and written only inside Handle.

	Principal             string // Anonymous until the connection authenticates
	ClientSoftwareName    string // as ApiVersions told, or empty
	ClientSoftwareVersion string
	Values                map[any]any // anything else the handler keeps with the connection; nil at first
}

// RemoteHost returns the client's address as Kafka prints it, with a slash before it: /127.0.0.1.
func (s *Session) RemoteHost() string {
	if !s.Remote.IsValid() {
		return "/"
	}
	return "/" + s.Remote.Addr().String()
}
