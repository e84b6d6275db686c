package statetopic

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
)

// citizen is somebody who lives in a partition.
type citizen struct {
	name  string
	reign *Reign[*citizen]
}

// of has a reign loaded with these.
func of(o *Reigns[*citizen], r *Reign[*citizen], names ...string) bool {
	members := make(map[string]*citizen)
	for _, name := range names {
		members[name] = &citizen{name, r}
	}
	return o.Publish(r, members)
}

func TestReigns(t *testing.T) {
	epoch := func(n int32) *int32 { return &n }
	const partition = 3
	begin := func(t *testing.T, o *Reigns[*citizen], n int32) *Reign[*citizen] {
		t.Helper()
		r := o.Begin(t.Context(), partition, n, false)
		if r == nil {
			t.Fatalf("epoch %d does not begin", n)
		}
		return r
	}
	for name, run := range map[string]struct {
		play func(t *testing.T, o *Reigns[*citizen])
		want int16 // of who looks for ann
	}{
		"never elected": {func(*testing.T, *Reigns[*citizen]) {}, kerr.NotCoordinator.Code},
		"loading":       {func(t *testing.T, o *Reigns[*citizen]) { begin(t, o, 1) }, kerr.CoordinatorLoadInProgress.Code},
		"loaded":        {func(t *testing.T, o *Reigns[*citizen]) { of(o, begin(t, o, 1), "ann") }, 0},
		"an older election changes nothing": {func(t *testing.T, o *Reigns[*citizen]) {
			o.Resign(partition, epoch(5))
			if o.Begin(t.Context(), partition, 4, true) != nil {
				t.Error("it begins")
			}
		}, kerr.NotCoordinator.Code},
		"an older resignation changes nothing": {func(t *testing.T, o *Reigns[*citizen]) {
			of(o, begin(t, o, 5), "ann")
			if o.Resign(partition, epoch(4)) != nil {
				t.Error("it ends")
			}
		}, 0},
		"a newer one ends the reign": {func(t *testing.T, o *Reigns[*citizen]) {
			of(o, begin(t, o, 5), "ann", "bob")
			if n := len(o.Resign(partition, epoch(6))); n != 2 {
				t.Errorf("%d have lived in it", n)
			}
		}, kerr.NotCoordinator.Code},
		"so does the end of the replica": {func(t *testing.T, o *Reigns[*citizen]) {
			of(o, begin(t, o, 5), "ann")
			o.Resign(partition, nil)
		}, kerr.NotCoordinator.Code},
		"after which the same epoch may begin": {func(t *testing.T, o *Reigns[*citizen]) {
			of(o, begin(t, o, 5))
			o.Resign(partition, nil)
			of(o, begin(t, o, 5), "ann")
		}, 0},
		"what is loaded stays in a newer epoch": {func(t *testing.T, o *Reigns[*citizen]) {
			of(o, begin(t, o, 5), "ann")
			if o.Begin(t.Context(), partition, 6, false) != nil || o.Resign(partition, epoch(5)) != nil {
				t.Error("it begins, or ends, anew")
			}
		}, 0},
		"unless it is to begin anew": {func(t *testing.T, o *Reigns[*citizen]) {
			r := begin(t, o, 5)
			of(o, r, "ann")
			if o.Begin(t.Context(), partition, 5, true) != nil {
				t.Error("the same epoch begins twice")
			}
			if o.Begin(t.Context(), partition, 6, true) == nil || o.Current(r) {
				t.Error("the newer epoch does not begin, or the older goes on")
			}
		}, kerr.CoordinatorLoadInProgress.Code},
		"a load that ends after its reign is dropped": {func(t *testing.T, o *Reigns[*citizen]) {
			stale := begin(t, o, 1)
			o.Resign(partition, nil)
			of(o, begin(t, o, 2), "ann")
			if of(o, stale, "old") {
				t.Error("it is published")
			}
			if who, _ := o.Find(partition, "old"); who != nil || stale.ctx.Err() == nil {
				t.Error("it goes on")
			}
		}, 0},
		"closed": {func(t *testing.T, o *Reigns[*citizen]) {
			of(o, begin(t, o, 1), "ann")
			if n := len(o.Close()); n != 1 || o.Begin(t.Context(), partition, 2, true) != nil {
				t.Errorf("%d have lived there, or it begins anew", n)
			}
		}, kerr.CoordinatorNotAvailable.Code},
	} {
		t.Run(name, func(t *testing.T) {
			o := NewReigns[*citizen]()
			run.play(t, o)
			who, code := o.Find(partition, "ann")
			if code != run.want || (who != nil) != (code == 0) {
				t.Errorf("found %v, %v; want %v", who, kerr.ErrorForCode(code), kerr.ErrorForCode(run.want))
			}
		})
	}
}

func TestWhoLivesInAReign(t *testing.T) {
	o := NewReigns[*citizen]()
	add := func(name string) (*citizen, int16) {
		return o.Add(0, name, func(r *Reign[*citizen]) *citizen { return &citizen{name, r} })
	}
	if who, code := add("ann"); who != nil || code != kerr.NotCoordinator.Code {
		t.Errorf("where nobody reigns: %v, %d", who, code)
	}
	r := o.Begin(t.Context(), 0, 1, false)
	var missed []string
	if !o.WhenLoaded(0, func(members []*citizen) { missed = append(missed, members[0].name) }) {
		t.Error("it is not loading")
	}
	if _, stillLoading := o.All(); !stillLoading {
		t.Error("it is not loading")
	}
	of(o, r, "ann")
	if !slices.Equal(missed, []string{"ann"}) || o.WhenLoaded(0, nil) || !o.Current(r) {
		t.Errorf("what the loading has missed was done to %v", missed)
	}
	ann, _ := o.Find(0, "ann")
	if again, _ := add("ann"); again != ann {
		t.Error("ann was there, and is another now")
	}
	bob, code := add("bob")
	if code != 0 || bob.reign != r || len(o.In(0)) != 2 || len(o.In(1)) != 0 {
		t.Errorf("bob: %+v, %d; with ann they are %d", bob, code, len(o.In(0)))
	}
	o.Remove(0, "bob", ann) // somebody else has the name by now
	if len(o.In(0)) != 2 {
		t.Error("bob went in place of another")
	}
	o.Remove(0, "bob", bob)
	if all, stillLoading := o.All(); !slices.Equal(all, []*citizen{ann}) || stillLoading {
		t.Errorf("without bob they are %v", all)
	}
}
