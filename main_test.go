package main

import (
	"reflect"
	"testing"
)

func TestArguments(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		want arguments
		bad  bool
	}{
		"a file":                     {args: []string{"server.properties"}, want: arguments{file: "server.properties"}},
		"overrides behind the file":  {args: []string{"s", "--override", "a=1", "--override", "b=2"}, want: arguments{file: "s", overrides: []string{"a=1", "b=2"}}},
		"overrides before the file":  {args: []string{"--override=a=1", "s"}, want: arguments{file: "s", overrides: []string{"a=1"}}},
		"the version needs no file":  {args: []string{"--version"}, want: arguments{version: true}},
		"nor does help":              {args: []string{"--help"}, want: arguments{help: true}},
		"no file":                    {bad: true},
		"two files":                  {args: []string{"a", "b"}, bad: true},
		"an override without a text": {args: []string{"a", "--override"}, bad: true},
		"an unknown flag":            {args: []string{"a", "--daemon"}, bad: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseArguments(tc.args)
			if tc.bad != (err != nil) || err == nil && !reflect.DeepEqual(got, tc.want) {
				t.Errorf("%q is read as %+v, %v", tc.args, got, err)
			}
		})
	}
}
