package config

import (
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A check says what is wrong with a value that has the right type, "" if nothing is, and how the value
// is to be shown: of a list, only the element that is wrong.
type check func(name string, v Value) (shown, problem string)

func number(v Value) (float64, bool) {
	switch v := v.(type) {
	case int16:
		return float64(v), true
	case int32:
		return float64(v), true
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

func text(v Value) string {
	if s := format(v); s != nil {
		return *s
	}
	return "null"
}

func atLeast(low float64) check {
	return func(_ string, v Value) (string, string) {
		if n, ok := number(v); ok && n < low {
			return text(v), "Value must be at least " + plain(low)
		}
		return "", ""
	}
}

func between(low, high float64) check {
	floor := atLeast(low)
	return func(name string, v Value) (string, string) {
		if n, ok := number(v); ok && n > high {
			return text(v), "Value must be no more than " + plain(high)
		}
		return floor(name, v)
	}
}

// plain writes a limit: Kafka's are whole numbers but for one.
func plain(f float64) string { return strings.TrimSuffix(formatDouble(f), ".0") }

func oneOf(allowed ...string) check {
	return func(_ string, v Value) (string, string) {
		if s := text(v); !slices.Contains(allowed, s) {
			return s, "String must be one of: " + strings.Join(allowed, ", ")
		}
		return "", ""
	}
}

func oneOfAnyCase(allowed ...string) check {
	return func(_ string, v Value) (string, string) {
		s := text(v)
		if !slices.ContainsFunc(allowed, func(a string) bool { return strings.EqualFold(a, s) }) {
			return s, "String must be one of (case insensitive): " + strings.Join(allowed, ", ")
		}
		return "", ""
	}
}

func eachOf(allowed ...string) check {
	one := oneOf(allowed...)
	return func(name string, v Value) (string, string) {
		list, _ := v.([]string)
		for _, s := range list {
			if shown, problem := one(name, s); problem != "" {
				return shown, problem
			}
		}
		return "", ""
	}
}

func nonEmpty(_ string, v Value) (string, string) {
	if s, ok := v.(string); ok && s == "" {
		return s, "String must be non-empty"
	}
	return "", ""
}

// hostPort allows an address to listen on; nothing is none.
func hostPort(_ string, v Value) (string, string) {
	s := text(v)
	if s == "" {
		return "", ""
	}
	_, port, err := net.SplitHostPort(s)
	if _, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil {
		return s, "Value must be host:port"
	}
	return "", ""
}

// gzipLevel allows gzip's levels and -1, which leaves the choice to gzip.
func gzipLevel(_ string, v Value) (string, string) {
	if n, ok := v.(int32); ok && n != -1 && (n < 1 || n > 9) {
		return text(v), "Value must be between 1 and 9 or equal to -1"
	}
	return "", ""
}

var throttledReplica = regexp.MustCompile(`^([0-9]+:[0-9]+)?$`)

func throttledReplicas(name string, v Value) (string, string) {
	list, _ := v.([]string)
	if strings.Join(list, "") == "*" {
		return "", ""
	}
	for _, s := range list {
		if !throttledReplica.MatchString(s) {
			return "[" + strings.Join(list, ", ") + "]", name + " must be the literal '*' or a list of replicas in the following format: " +
				"[partitionId]:[brokerId],[partitionId]:[brokerId],..."
		}
	}
	return "", ""
}
