package zkserver

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// check looks for contradictions inside a database.
func (db *database) check() error {
	kids, bytes, owned, mortal := map[string]int{}, int64(0), 0, 0
	for path, n := range db.nodes {
		bytes += int64(len(path) + len(n.data))
		if path != "/" {
			parent := db.nodes[parentOf(path)]
			if parent == nil {
				return fmt.Errorf("%s has no parent", path)
			}
			if _, is := parent.children[baseOf(path)]; !is {
				return fmt.Errorf("%s is not its parent's child", path)
			}
			kids[parentOf(path)]++
		}
		if n.isEphemeral() {
			owned++
			if _, is := db.ephemerals[n.owner][path]; !is {
				return fmt.Errorf("%s is not in its session's list", path)
			}
			if _, alive := db.sessions[n.owner]; !alive {
				return fmt.Errorf("%s belongs to session 0x%x, which is gone", path, n.owner)
			}
		} else if n.owner != 0 {
			mortal++
			if _, is := db.mortal[path]; !is {
				return fmt.Errorf("%s is not among the mortal", path)
			}
		}
		if n.czxid > db.zxid || n.mzxid > db.zxid || n.pzxid > db.zxid {
			return fmt.Errorf("%s is of the future", path)
		}
	}
	for path, n := range db.nodes {
		if len(n.children) != kids[path] {
			return fmt.Errorf("%s has %d children, should have %d", path, len(n.children), kids[path])
		}
	}
	listed := 0
	for _, paths := range db.ephemerals {
		listed += len(paths)
	}
	if listed != owned || len(db.mortal) != mortal || bytes != db.bytes {
		return fmt.Errorf("%d ephemerals listed, %d there; %d mortal listed, %d there; %d bytes counted, %d there", listed, owned, len(db.mortal), mortal, db.bytes, bytes)
	}
	return nil
}

// writes sends one write after the other until one is not acknowledged, and returns how many were.
func writes(w *wire, from, to int) (acknowledged int) {
	for i := from; i <= to; i++ {
		number := []byte(fmt.Sprint(i))
		var a answer
		switch i % 3 {
		case 0:
			a = w.call(opMulti, step(opCreate, fmt.Sprintf("/n/%d", i), []byte("x"), openACL(), 1), step(opSetData, "/n", number, i-1), endOfMulti)
		case 1:
			a = w.call(opMulti, step(opSetData, "/n", number, i-1), step(opCreate, fmt.Sprintf("/n/%d", i), []byte("x"), openACL(), 0), endOfMulti)
		default:
			a = w.call(opMulti, step(opSetData, "/n", number, i-1), step(opDelete, fmt.Sprintf("/n/%d", i-1), -1), endOfMulti)
		}
		if a.closed {
			return i - 1
		}
		if a.err != 0 || bytes.Contains(a.body, []byte{0xff, 0xff, 0xff, 0xff, 0, 0xff}) {
			w.t.Fatalf("write %d: %+v", i, a)
		}
	}
	return to
}

// written returns how many of the writes a database shows, and fails unless it shows exactly the first so many.
func written(t *testing.T, db *database) int {
	t.Helper()
	if err := db.check(); err != nil {
		t.Fatal(err)
	}
	n := db.nodes["/n"]
	if n == nil {
		return -1
	}
	count := int(n.version)
	if count > 0 && string(n.data) != fmt.Sprint(count) {
		t.Fatalf("version %d has data %q", count, n.data)
	}
	want := map[string]struct{}{}
	for i := 1; i <= count; i++ {
		if i%3 == 2 {
			delete(want, fmt.Sprint(i-1))
		} else {
			want[fmt.Sprint(i)] = struct{}{}
		}
	}
	if !maps.Equal(want, n.children) && len(want)+len(n.children) > 0 {
		t.Fatalf("after %d writes the children are %v", count, n.children)
	}
	return count
}

// TestPowerLoss takes the power away at every single disk operation of a run with many snapshots, with each of
// the outcomes that leaves, and again during the start that follows.
func TestPowerLoss(t *testing.T) {
	const total = 40
	for limit := 1; ; limit++ {
		d := newDisk()
		d.limit = limit
		acknowledged, id, zxid, lost := -1, int64(0), int64(0), true
		s, err := Start(Options{files: d, SnapshotEvery: 7})
		if err == nil {
			w := dialWire(t, s.Addr())
			if n, _, _ := w.handshake(hello{timeout: 10000}); n > 0 {
				id = w.id
				if a := w.create("/n"); !a.closed {
					acknowledged = writes(w, 1, total)
				}
				zxid = w.zxid
			}
			lost = acknowledged < total
			if !lost {
				s.Close()
			} else {
				<-s.Done()
				if err := s.Err(); !errors.Is(err, errPowerLost) {
					t.Fatalf("the server ended with %v", err)
				}
				s.Kill()
			}
		} else if !errors.Is(err, errPowerLost) {
			t.Fatal(err)
		}
		for o := nothingMore; o <= torn; o++ {
			for seed := range uint64(4) {
				if o != torn && seed > 0 {
					break
				}
				after := d.after(o, rand.New(rand.NewPCG(uint64(limit), seed)))
				for again := range 3 {
					// The first starts lose power as well.
					if again < 2 {
						after.limit = after.ops + 1 + again*2
						if s, err := Start(Options{files: after}); err == nil {
							s.Kill()
						}
						after = after.after(o, rand.New(rand.NewPCG(uint64(limit), seed)))
						continue
					}
					s, err := Start(Options{files: after})
					if err != nil {
						t.Fatalf("limit %d, outcome %d: %v", limit, o, err)
					}
					if count := written(t, s.mu.db); count < acknowledged || count > acknowledged+1 {
						t.Fatalf("limit %d, outcome %d: %d writes were acknowledged, %d are there", limit, o, acknowledged, count)
					}
					if acknowledged >= 0 && s.mu.sessions.byID[id] == nil {
						t.Fatalf("limit %d, outcome %d: the session is gone", limit, o)
					}
					if s.mu.db.zxid <= zxid {
						t.Fatalf("limit %d, outcome %d: zxid went back", limit, o)
					}
					s.Kill()
				}
			}
		}
		if !lost {
			if limit < 2*total {
				t.Fatalf("only %d operations", limit)
			}
			return
		}
	}
}

// TestTruncatedLog cuts the last log at every byte: whole groups stay, and nothing else.
func TestTruncatedLog(t *testing.T) {
	d := newDisk()
	s := start(t, Options{files: d})
	w := dialWire(t, s.Addr())
	w.handshake(hello{timeout: 10000})
	w.create("/n")
	writes(w, 1, 6)
	s.Close()
	whole := d.files["log.0000000001"].content
	last := -1
	for cut := range len(whole) + 1 {
		after := d.after(everything, nil)
		after.files["log.0000000001"].content = whole[:cut]
		s := start(t, Options{files: after})
		count := written(t, s.mu.db)
		if count < last || count > last+1 {
			t.Fatalf("cut at %d: %d writes, before %d", cut, count, last)
		}
		last = count
		s.Close()
		// What was cut stays cut, and the next life can be read beside it.
		s = start(t, Options{files: after})
		if again := written(t, s.mu.db); again != count {
			t.Fatalf("cut at %d: %d writes, then %d", cut, count, again)
		}
		s.Close()
	}
	if last != 6 {
		t.Errorf("%d writes in the whole log", last)
	}
}

// TestDamagedLog turns every byte of a log around. Only in the last group can that look like a write that never
// finished; before it, the server must refuse to start rather than lose what was acknowledged.
func TestDamagedLog(t *testing.T) {
	d := newDisk()
	s := start(t, Options{files: d})
	w := dialWire(t, s.Addr())
	w.handshake(hello{timeout: 10000})
	w.create("/n")
	writes(w, 1, 4)
	s.Close()
	whole := d.files["log.0000000001"].content
	tail := 0
	for at := logHeaderSize; ; {
		records, ok := readGroup(whole, at)
		if !ok {
			break
		}
		tail = at
		at += groupHeaderSize + len(records)
	}
	for at := range whole {
		after := d.after(everything, nil)
		after.files["log.0000000001"].content[at] ^= 0x55
		s, err := Start(Options{files: after})
		switch {
		case at < tail && !errors.Is(err, errDamaged):
			t.Errorf("damage at %d of %d: %v", at, len(whole), err)
		case at >= tail && err != nil:
			t.Errorf("damage at %d, in the last group: %v", at, err)
		case err == nil:
			written(t, s.mu.db)
			s.Close()
		}
	}
	for _, name := range []string{"snapshot.0000000001", "log.0000000001"} {
		content := d.files[name].content
		after := d.after(everything, nil)
		after.files["log.0000000002"] = &inode{content: logHeader(2)}
		after.files[name].content = content[:len(content)-1]
		if _, err := Start(Options{files: after}); !errors.Is(err, errDamaged) {
			t.Errorf("%s without its last byte: %v", name, err)
		}
		delete(after.files, name)
		if _, err := Start(Options{files: after}); !errors.Is(err, errDamaged) {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

func TestFailedSyncStopsTheServer(t *testing.T) {
	d := newDisk()
	s := start(t, Options{files: d})
	w := dialWire(t, s.Addr())
	w.handshake(hello{timeout: 10000})
	w.create("/n")
	broken := errors.New("input/output error")
	d.mu.Lock()
	d.syncErr = broken
	d.mu.Unlock()
	if n := writes(w, 1, 1); n != 0 {
		t.Error("a write was acknowledged that was not synced")
	}
	<-s.Done()
	if !errors.Is(s.Err(), broken) {
		t.Errorf("the server ended with %v", s.Err())
	}
	if err := s.Close(); !errors.Is(err, broken) {
		t.Errorf("close: %v", err)
	}
}

func TestKilledServerKeepsWhatItAcknowledged(t *testing.T) {
	dir := t.TempDir()
	acknowledged := 0
	var id int64
	var secret []byte
	for life := range 25 { // more than manyLogs
		s := start(t, Options{DataDir: dir, SnapshotEvery: 40})
		w := dialWire(t, s.Addr())
		w.handshake(hello{timeout: 10000, id: id, password: secret})
		if w.id == 0 {
			t.Fatal("the session is gone")
		}
		id, secret = w.id, w.secret
		if life == 0 {
			w.create("/n")
		}
		if count := written(t, s.mu.db); count != acknowledged {
			t.Fatalf("%d writes instead of %d", count, acknowledged)
		}
		acknowledged = writes(w, acknowledged+1, acknowledged+9)
		s.Kill()
	}
	logs, err := filepath.Glob(filepath.Join(dir, "log.*"))
	if err != nil || len(logs) > manyLogs+2 {
		t.Errorf("%d log files %v", len(logs), err)
	}
}

func TestDirectoryIsLocked(t *testing.T) {
	dir := t.TempDir()
	s := start(t, Options{DataDir: dir})
	if _, err := Start(Options{DataDir: dir}); err == nil || !strings.Contains(err.Error(), "another server") {
		t.Errorf("second server: %v", err)
	}
	s.Close()
	start(t, Options{DataDir: dir})
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(Options{DataDir: filepath.Join(file, "x")}); err == nil {
		t.Error("a directory below a file")
	}
}

func TestSnapshotReplacesOlderFiles(t *testing.T) {
	dir := t.TempDir()
	s := start(t, Options{DataDir: dir, SnapshotEvery: 50})
	w := dialWire(t, s.Addr())
	w.handshake(hello{timeout: 10000})
	w.create("/n")
	deadline := time.Now().Add(20 * time.Second)
	for i := 0; ; i += 10 {
		writes(w, i+1, i+10)
		names, err := (&directory{path: dir}).list()
		if err != nil {
			t.Fatal(err)
		}
		if logs, snapshots := numbered(names, "log"), numbered(names, "snapshot"); len(snapshots) == 1 && snapshots[0] > 2 && logs[0] == snapshots[0] {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("still there: %v", names)
		}
	}
	before := s.mu.db
	s.Close()
	s = start(t, Options{DataDir: dir})
	written(t, s.mu.db)
	if len(s.mu.db.nodes) != len(before.nodes) || !bytes.Equal(s.mu.db.secret, before.secret) || s.mu.db.lastSession != before.lastSession {
		t.Error("the state is not the same after a restart")
	}
}
