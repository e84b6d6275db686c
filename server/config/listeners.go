package config

import (
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Listener is one address the broker listens on or is reached at, such as PLAINTEXT://host:9092.
type Listener struct {
	// Name is in capitals, as Kafka keeps it.
	Name string
	// Protocol is PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.
	Protocol string
	// Host is empty for all addresses of the machine.
	Host string
	// Port 0 has the system choose one.
	Port int
}

// String is the listener as the file has it.
func (l Listener) String() string {
	return l.Name + "://" + net.JoinHostPort(l.Host, strconv.Itoa(l.Port))
}

var endpoint = regexp.MustCompile(`^(.*)://\[?([0-9a-zA-Z\-%._:]*)\]?:(-?[0-9]+)$`)

// parseProtocolMap reads listener.security.protocol.map: which protocol each listener speaks.
func parseProtocolMap(s string) (map[string]string, error) {
	const key = "listener.security.protocol.map"
	m := make(map[string]string)
	for _, pair := range splitList(s) {
		name, protocol, ok := cutLast(pair, ":")
		if !ok {
			return nil, fmt.Errorf("%s=%s: %q is no NAME:PROTOCOL", key, s, pair)
		}
		name, protocol = strings.ToUpper(strings.TrimSpace(name)), strings.TrimSpace(protocol)
		if !slices.Contains([]string{"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"}, protocol) {
			return nil, fmt.Errorf("%s=%s: Invalid security protocol `%s`; want PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL", key, s, protocol)
		}
		m[name] = protocol
	}
	return m, nil
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// parseListeners reads a list of NAME://host:port.
func parseListeners(key, s string, protocols map[string]string) ([]Listener, error) {
	var all []Listener
	for _, part := range splitList(s) {
		m := endpoint.FindStringSubmatch(strings.TrimSpace(part))
		if m == nil {
			return nil, fmt.Errorf("%s=%s: Unable to parse %s to a broker endpoint; want NAME://host:port", key, s, part)
		}
		l := Listener{Name: strings.ToUpper(m[1]), Host: m[2]}
		port, err := strconv.Atoi(m[3])
		if err != nil || port < 0 || port > 65535 {
			return nil, fmt.Errorf("%s=%s: the port of %s must be from 0 to 65535", key, s, part)
		}
		l.Port = port
		if l.Protocol = protocols[l.Name]; l.Protocol == "" {
			return nil, fmt.Errorf("%s=%s: No security protocol defined for listener %s; name it in listener.security.protocol.map", key, s, l.Name)
		}
		all = append(all, l)
	}
	for i, a := range all {
		for _, b := range all[:i] {
			if a.Name == b.Name {
				return nil, fmt.Errorf("%s=%s: Each listener must have a different name", key, s)
			}
		}
	}
	return all, nil
}

// checkPorts refuses two listeners on one port, unless one of them is IPv4 and the other IPv6.
func checkPorts(s string, all []Listener) error {
	for i, a := range all {
		for _, b := range all[:i] {
			if a.Port == b.Port && a.Port != 0 && !oneOfEachFamily(a.Host, b.Host) {
				return fmt.Errorf("listeners=%s: Each listener must have a different port", s)
			}
		}
	}
	return nil
}

func oneOfEachFamily(a, b string) bool {
	x, y := net.ParseIP(a), net.ParseIP(b)
	return x != nil && y != nil && (x.To4() == nil) != (y.To4() == nil)
}

// listenersOf reads all that is set about listeners and checks it as Kafka does.
func listenersOf(s *settings) (listeners, advertised []Listener, interBroker string, err error) {
	protocols, err := parseProtocolMap(s.text("listener.security.protocol.map"))
	if err != nil {
		return nil, nil, "", err
	}
	text := s.text("listeners")
	if listeners, err = parseListeners("listeners", text, protocols); err != nil {
		return nil, nil, "", err
	}
	if len(listeners) == 0 {
		return nil, nil, "", fmt.Errorf("listeners=%s: There must be at least one listener", text)
	}
	if err := checkPorts(text, listeners); err != nil {
		return nil, nil, "", err
	}
	advertised = slices.Clone(listeners)
	if s.values["advertised.listeners"] != nil {
		text = s.text("advertised.listeners")
		if advertised, err = parseListeners("advertised.listeners", text, protocols); err != nil {
			return nil, nil, "", err
		}
	}
	for _, l := range slices.Concat(listeners, advertised) {
		if l.Protocol != "PLAINTEXT" {
			return nil, nil, "", fmt.Errorf("listeners=%s: %s speaks %s; only PLAINTEXT is served so far", s.text("listeners"), l.Name, l.Protocol)
		}
	}
	if err := checkAdvertised(text, listeners, advertised); err != nil {
		return nil, nil, "", err
	}
	interBroker, err = interBrokerListener(s, protocols, advertised)
	return listeners, advertised, interBroker, err
}

func checkAdvertised(text string, listeners, advertised []Listener) error {
	if len(advertised) == 0 {
		return fmt.Errorf("advertised.listeners=%s: There must be at least one broker advertised listener", text)
	}
	for _, a := range advertised {
		if a.Host == "0.0.0.0" {
			return fmt.Errorf("advertised.listeners=%s: advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. "+
				"Use a routable IP address", text)
		}
		if !slices.ContainsFunc(listeners, func(l Listener) bool { return l.Name == a.Name }) {
			return fmt.Errorf("advertised.listeners=%s: %s is not among the listeners; name only what is listened on", text, a.Name)
		}
	}
	return nil
}

func interBrokerListener(s *settings, protocols map[string]string, advertised []Listener) (string, error) {
	name := strings.ToUpper(s.text("inter.broker.listener.name"))
	switch {
	case name == "":
		name = s.text("security.inter.broker.protocol")
	case s.isSet("security.inter.broker.protocol"):
		return "", fmt.Errorf("inter.broker.listener.name=%s and security.inter.broker.protocol=%s: "+
			"Only one of inter.broker.listener.name and security.inter.broker.protocol should be set", name, s.text("security.inter.broker.protocol"))
	case protocols[name] == "":
		return "", fmt.Errorf("inter.broker.listener.name=%s: Listener with name %s defined in inter.broker.listener.name "+
			"not found in listener.security.protocol.map", name, name)
	}
	if names := namesOf(advertised); !slices.Contains(names, name) {
		return "", fmt.Errorf("inter.broker.listener.name=%s: inter.broker.listener.name must be a listener name defined in "+
			"advertised.listeners. The valid options based on currently configured listeners are %s", name, strings.Join(names, ","))
	}
	return name, nil
}

func namesOf(all []Listener) []string {
	names := make([]string, len(all))
	for i, l := range all {
		names[i] = l.Name
	}
	return names
}

// controlPlaneListener is the one that control.plane.listener.name names, "" without one.
func controlPlaneListener(s *settings, advertised []Listener, interBroker string) (string, error) {
	const key = "control.plane.listener.name"
	name := strings.ToUpper(s.text(key))
	names := namesOf(advertised)
	switch protocols, err := parseProtocolMap(s.text("listener.security.protocol.map")); {
	case err != nil:
		return "", err
	case s.values[key] == nil:
		return "", nil
	case protocols[name] == "":
		return "", fmt.Errorf("%s=%s: Listener with name %s defined in %s not found in listener.security.protocol.map", key, name, name, key)
	case !slices.Contains(names, name):
		return "", fmt.Errorf("%s=%s: %s must be a listener name defined in advertised.listeners. The valid options based on currently "+
			"configured listeners are %s", key, name, key, strings.Join(names, ","))
	case name == interBroker:
		return "", fmt.Errorf("%s=%s: %s, when defined, should have a different value from the inter broker listener name. "+
			"Currently they both have the value %s", key, name, key, name)
	}
	return name, nil
}
