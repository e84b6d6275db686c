package main

import (
	"slices"
	"testing"
)

func TestPayload(t *testing.T) {
	want := Record{3, 12345}
	value := payload(7, want)
	if got := parsePayload(7, value); got != want {
		t.Errorf("%v became %v", want, got)
	}
	if got := parsePayload(8, value); got != nobody {
		t.Errorf("in another partition it is %v", got)
	}
	for i := range value {
		spoiled := slices.Clone(value)
		spoiled[i] ^= 1
		if got := parsePayload(7, spoiled); got != nobody {
			t.Fatalf("byte %d is spoiled, and it is %v", i, got)
		}
	}
}
