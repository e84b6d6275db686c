package network

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// headerError is a request header that cannot be understood, in Kafka's words.
type headerError struct {
	cause string // for the limit on log lines
	text  string
}

func (e headerError) Error() string { return e.text }

var errShortHeader = errors.New("request header cut short")

// headerParser decodes request headers. It remembers the client id, which hardly ever changes within a
// connection, so that it is copied once.
type headerParser struct {
	version  func(key, version int16) (int16, bool)
	apiName  func(key int16) string
	clientID *string
}

// parse decodes the header of a frame. The request's Body is a view of the rest.
func (h *headerParser) parse(frame []byte) (*Request, error) {
	if len(frame) < 8 {
		guess := int16(-1)
		if len(frame) >= 2 {
			guess = int16(binary.BigEndian.Uint16(frame))
		}
		return nil, badHeader(guess)
	}
	r := &Request{
		APIKey:        int16(binary.BigEndian.Uint16(frame)),
		APIVersion:    int16(binary.BigEndian.Uint16(frame[2:])),
		CorrelationID: int32(binary.BigEndian.Uint32(frame[4:])),
	}
	version, ok := h.version(r.APIKey, r.APIVersion)
	if !ok {
		if name := h.apiName(r.APIKey); name != "" {
			return nil, headerError{"version", fmt.Sprintf("Received request api key %s with version %d which is not enabled", name, r.APIVersion)}
		}
		return nil, badHeader(r.APIKey)
	}
	rest, err := h.parseClient(frame[8:], version)
	if err != nil {
		return nil, badHeader(r.APIKey)
	}
	r.ClientID, r.Body = h.clientID, rest
	return r, nil
}

func badHeader(key int16) error {
	return headerError{"header", fmt.Sprintf("Error parsing request header. Our best guess of the apiKey is: %d", key)}
}

// parseClient reads the client id and the tagged fields, as far as this version of the header has them, and
// returns what follows.
func (h *headerParser) parseClient(b []byte, version int16) ([]byte, error) {
	if version == 0 {
		h.clientID = nil
		return b, nil
	}
	if len(b) < 2 {
		return nil, errShortHeader
	}
	n := int(int16(binary.BigEndian.Uint16(b))) // any negative length means null, as in Kafka
	b = b[2:]
	if n > len(b) {
		return nil, errShortHeader
	}
	h.setClientID(b, n)
	b = b[max(n, 0):]
	if version == 1 {
		return b, nil
	}
	return skipTags(b)
}

func (h *headerParser) setClientID(b []byte, n int) {
	if n < 0 {
		h.clientID = nil
	} else if h.clientID == nil || *h.clientID != string(b[:n]) {
		id := string(b[:n])
		h.clientID = &id
	}
}

// skipTags passes over tagged fields. Each of them takes at least two bytes, so a count that the frame
// cannot hold is refused before it is believed.
func skipTags(b []byte) ([]byte, error) {
	count, b, err := uvarint(b)
	if err != nil || count > uint64(len(b))/2 {
		return nil, errShortHeader
	}
	for range count {
		if _, b, err = uvarint(b); err != nil {
			return nil, err
		}
		var size uint64
		if size, b, err = uvarint(b); err != nil || size > uint64(len(b)) {
			return nil, errShortHeader
		}
		b = b[size:]
	}
	return b, nil
}

// uvarint reads an unsigned varint of at most 32 bits.
func uvarint(b []byte) (uint64, []byte, error) {
	v, n := binary.Uvarint(b)
	if n <= 0 || v > 1<<32-1 {
		return 0, nil, errShortHeader
	}
	return v, b[n:], nil
}
