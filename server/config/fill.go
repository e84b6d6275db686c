package config

import (
	"math"
	"reflect"
	"strings"
	"time"
)

// Forever is a Duration for all numbers that are too large to be one: three hundred years.
const Forever = time.Duration(math.MaxInt64)

// fill sets the fields of the struct that target points to whose tag names a setting. A setting
// without a value leaves its field zero.
func fill(target any, values map[string]Value) {
	v := reflect.ValueOf(target).Elem()
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("key")
		if name == "" || values[name] == nil {
			continue
		}
		field := v.Field(i)
		if field.Type() == reflect.TypeFor[time.Duration]() {
			field.SetInt(int64(duration(name, reflect.ValueOf(values[name]).Int())))
			continue
		}
		field.Set(reflect.ValueOf(values[name]))
	}
}

// unit is what a setting's number counts, by its name.
func unit(name string) time.Duration {
	switch name[strings.LastIndexByte(name, '.')+1:] {
	case "hours":
		return time.Hour
	case "minutes":
		return time.Minute
	case "seconds", "secs":
		return time.Second
	}
	return time.Millisecond
}

// duration saturates instead of overflowing, at Forever and at its negative.
func duration(name string, n int64) time.Duration {
	u := unit(name)
	switch {
	case n > int64(Forever/u):
		return Forever
	case n < -int64(Forever/u):
		return -Forever
	}
	return time.Duration(n) * u
}
