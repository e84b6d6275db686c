package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// ValueError is a value that a setting does not allow. Its text is Kafka's.
type ValueError struct {
	Key   string
	Value string
	// Allowed says what is wrong, and so what would be right.
	Allowed string
}

func (e *ValueError) Error() string {
	return "Invalid value " + e.Value + " for configuration " + e.Key + ": " + e.Allowed
}

// Value is a parsed value: nil for none, or a bool, string, int16, int32, int64, float64 or []string.
type Value any

// parse reads a value by its type and holds it to the key's check. Spaces around it do not count.
func (k Key) parse(s string) (Value, error) {
	v, problem := parseType(k.Type, strings.TrimFunc(s, javaSpace))
	if problem != "" {
		return nil, &ValueError{k.Name, s, problem}
	}
	if k.check == nil {
		return v, nil
	}
	if shown, problem := k.check(k.Name, v); problem != "" {
		return nil, &ValueError{k.Name, shown, problem}
	}
	return v, nil
}

// javaSpace is what Java's String.trim takes away.
func javaSpace(r rune) bool { return r <= ' ' }

func parseType(t Type, s string) (v Value, problem string) {
	notANumber := "Not a number of type " + t.String()
	switch t {
	case Boolean:
		switch {
		case strings.EqualFold(s, "true"):
			return true, ""
		case strings.EqualFold(s, "false"):
			return false, ""
		}
		return nil, "Expected value to be either true or false"
	case Short, Int, Long:
		bits := map[Type]int{Short: 16, Int: 32, Long: 64}[t]
		n, err := strconv.ParseInt(s, 10, bits)
		if err != nil {
			return nil, notANumber
		}
		switch t {
		case Short:
			return int16(n), ""
		case Int:
			return int32(n), ""
		}
		return n, ""
	case Double:
		f, err := strconv.ParseFloat(s, 64)
		// Java reads too large a number as infinity and Go says so as well, with an error beside it.
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return nil, notANumber
		}
		return f, ""
	case List:
		return splitList(s), ""
	}
	return s, ""
}

// splitList reads a list as Kafka does: nothing is an empty list, and "a," has an empty second element.
func splitList(s string) []string {
	if s == "" {
		return []string{}
	}
	parts := strings.Split(s, ",")
	for i := range parts {
		if i > 0 {
			parts[i] = strings.TrimLeft(parts[i], " \t\n\v\f\r")
		}
		if i < len(parts)-1 {
			parts[i] = strings.TrimRight(parts[i], " \t\n\v\f\r")
		}
	}
	return parts
}

// format writes a value as Kafka shows it; nil is none.
func format(v Value) *string {
	switch v := v.(type) {
	case bool:
		return is(strconv.FormatBool(v))
	case int16:
		return is(strconv.FormatInt(int64(v), 10))
	case int32:
		return is(strconv.FormatInt(int64(v), 10))
	case int64:
		return is(strconv.FormatInt(v, 10))
	case float64:
		return is(formatDouble(v))
	case []string:
		return is(strings.Join(v, ","))
	case string:
		return is(v)
	}
	return nil
}

// formatDouble writes a number as Java's Double.toString: with a point always, and with an exponent
// below a thousandth and from ten million.
func formatDouble(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	case f == 0 || math.Abs(f) >= 1e-3 && math.Abs(f) < 1e7:
		s := strconv.FormatFloat(f, 'f', -1, 64)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'e', -1, 64), "e")
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	n, _ := strconv.Atoi(exponent) // FormatFloat wrote it
	return mantissa + "E" + strconv.Itoa(n)
}
