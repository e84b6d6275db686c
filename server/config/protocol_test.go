package config

import "testing"

func TestProtocol(t *testing.T) {
	for set, want := range map[string]Protocol{
		"2.4": Protocol24IV1, "2.4-IV0": Protocol24IV0, "2.4.1": Protocol24IV1, "2.7": Protocol27IV2, "2.7-IV1": Protocol27IV1,
		"2.8": Protocol28IV1, "3.0": Protocol30IV1, "3.7": Protocol37IV4, "3.9": Protocol39IV0, "3.9.1": Protocol39IV0, "3.9-IV0": Protocol39IV0,
	} {
		c, err := build(minimal("inter.broker.protocol.version", set))
		if err != nil || c.Protocol != want {
			t.Errorf("%s: %d, %v; want %d", set, c.Protocol, err, want)
		}
	}
	if c, err := build(minimal()); err != nil || c.Protocol != Protocol39IV0 {
		t.Errorf("not set: %d, %v; want 3.9", c.Protocol, err)
	}
}

func TestOldRecordFormatsEndWith30(t *testing.T) {
	for set, want := range map[string]bool{"2.4": true, "3.0-IV0": true, "3.0-IV1": false, "3.9": false} {
		c, err := build(minimal("inter.broker.protocol.version", set))
		if err != nil || c.Protocol.OldRecordFormats() != want {
			t.Errorf("%s: old formats %v, %v; want %v", set, c.Protocol.OldRecordFormats(), err, want)
		}
	}
}
