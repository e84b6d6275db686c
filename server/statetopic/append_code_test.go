package statetopic

import (
	"errors"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
)

func TestAppendCode(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want int16
	}{
		"it is written":                {nil, 0},
		"too few replicas: come again": {fmt.Errorf("append: %w", kerr.NotEnoughReplicas), kerr.CoordinatorNotAvailable.Code},
		"another leads: look for it":   {kerr.NotLeaderForPartition, kerr.NotCoordinator.Code},
		"what says something as it is": {kerr.MessageTooLarge, kerr.MessageTooLarge.Code},
		"nobody knows":                 {errors.New("lightning"), kerr.UnknownServerError.Code},
	} {
		if got := AppendCode(tc.err); got != tc.want {
			t.Errorf("%s: %v, want %v", name, kerr.ErrorForCode(got), kerr.ErrorForCode(tc.want))
		}
	}
}
