package statetopic

import (
	"fmt"
	"testing"
)

// A decoder asks for the error once: after the first one everything is zero, and a record that lies about its lengths costs
// nothing.
func FuzzReader(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 'g', 0, 0, 0, 2, 1, 2}, false)
	f.Add([]byte{0, 4, 2, 'g', 3, 1, 2, 1, 0, 1, 9}, true)
	f.Fuzz(func(t *testing.T, b []byte, flexible bool) {
		r := NewReader(b)
		r.Version(4, "version")
		r.Flexible = flexible
		name, list := r.NullableString("name"), r.Bytes("list")
		n := r.Length(true, "count")
		r.Tags()
		size := len(list) + max(0, n)
		if name != nil {
			size += len(*name)
		}
		if size > len(b) {
			t.Errorf("%d bytes of %d", size, len(b))
		}
		if failed := r.Err; failed != nil {
			if got := fmt.Sprint(r.Int8(""), r.Int16(""), r.Int32(""), r.Int64(""), r.String(""), r.Bytes("")); got != "0 0 0 0[]" || r.Err != failed {
				t.Errorf("after %v: %s, %v", failed, got, r.Err)
			}
		}
	})
}
