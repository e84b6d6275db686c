package cluster

import (
	"slices"
	"testing"
)

func TestOnce(t *testing.T) {
	for name, tc := range map[string]struct{ ids, want []BrokerID }{
		"nobody":               {},
		"who stands there":     {ids: []BrokerID{3, 1, 2}, want: []BrokerID{3, 1, 2}},
		"again and again":      {ids: []BrokerID{1, 1, 1}, want: []BrokerID{1}},
		"the first place wins": {ids: []BrokerID{2, 1, 2, 3, 1}, want: []BrokerID{2, 1, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			before := slices.Clone(tc.ids)
			if got := Once(tc.ids); !slices.Equal(got, tc.want) || !slices.Equal(tc.ids, before) {
				t.Errorf("%v, want %v; the list was %v and is %v", got, tc.want, before, tc.ids)
			}
		})
	}
}
