package disk

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"
)

func write(t *testing.T, fsys FS, name, content string) File {
	t.Helper()
	f, err := fsys.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte(content), 0); err != nil {
		t.Fatal(err)
	}
	return f
}

// TestBothAgree runs one script on the real file system and on the one in memory.
func TestBothAgree(t *testing.T) {
	for name, fsys := range map[string]FS{"real": OS(), "in memory": NewCrashing()} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "a", "b")
			if err := fsys.MkdirAll(dir); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, "f")
			if _, err := fsys.Open(file); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("open what is not there: %v", err)
			}
			f := write(t, fsys, file, "hello")
			if err := errors.Join(f.Truncate(8), f.Sync(), fsys.SyncDir(dir)); err != nil {
				t.Fatal(err)
			}
			if size, err := f.Size(); size != 8 || err != nil {
				t.Errorf("size %d, %v", size, err)
			}
			if err := fsys.Rename(file, file+"2"); err != nil {
				t.Fatal(err)
			}
			if b, err := fsys.ReadFile(file + "2"); string(b) != "hello\x00\x00\x00" || err != nil {
				t.Errorf("%q, %v", b, err)
			}
			got := make([]byte, 4)
			if n, err := f.ReadAt(got, 6); n != 2 || err == nil {
				t.Errorf("read over the end: %d, %v", n, err)
			}
			entries, err := fsys.ReadDir(dir)
			if err != nil || len(entries) != 1 || entries[0].Name() != "f2" || entries[0].IsDir() {
				t.Errorf("%v, %v", entries, err)
			}
			lock, err := fsys.Lock(filepath.Join(dir, ".lock"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := fsys.Lock(filepath.Join(dir, ".lock")); !errors.Is(err, ErrLocked) {
				t.Errorf("a second lock: %v", err)
			}
			if err := errors.Join(lock.Close(), f.Close(), fsys.RemoveAll(dir)); err != nil {
				t.Fatal(err)
			}
			if _, err := fsys.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("it is still there: %v", err)
			}
			if err := fsys.Remove(file); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("remove what is not there: %v", err)
			}
			if total, free, err := fsys.Space(filepath.Dir(dir)); err != nil || free <= 0 || total < free {
				t.Errorf("space %d of %d, %v", free, total, err)
			}
		})
	}
}

func TestPowerFailureKeepsWhatWasSynced(t *testing.T) {
	fsys := NewCrashing()
	if err := fsys.MkdirAll("/d"); err != nil {
		t.Fatal(err)
	}
	named := write(t, fsys, "/d/named", "abc")
	if err := errors.Join(named.Sync(), fsys.SyncDir("/d"), fsys.SyncDir("/")); err != nil {
		t.Fatal(err)
	}
	if _, err := named.WriteAt([]byte("def"), 3); err != nil {
		t.Fatal(err)
	}
	nameless := write(t, fsys, "/d/nameless", "synced, but its name is not")
	if err := nameless.Sync(); err != nil {
		t.Fatal(err)
	}
	lengths := map[int]bool{}
	for seed := range uint64(100) {
		after := fsys.PowerFailure(rand.New(rand.NewPCG(seed, 0)))
		b, err := after.ReadFile("/d/named")
		if err != nil || len(b) < 3 || string(b) != "abcdef"[:len(b)] {
			t.Fatalf("%q, %v", b, err)
		}
		lengths[len(b)] = true
		if _, err := after.Stat("/d/nameless"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a name that was not synced: %v", err)
		}
	}
	if len(lengths) != 4 {
		t.Errorf("unsynced bytes survived as %v", lengths)
	}
	if b, err := fsys.Killed().ReadFile("/d/nameless"); err != nil || len(b) == 0 {
		t.Errorf("after a kill: %q, %v", b, err)
	}
}

func TestCrashAfter(t *testing.T) {
	fsys := NewCrashing()
	fsys.CrashAfter(2)
	f := write(t, fsys, "/f", "x") // create, write
	if err := f.Sync(); !errors.Is(err, ErrCrashed) {
		t.Errorf("step three: %v", err)
	}
	if _, err := fsys.ReadFile("/f"); !errors.Is(err, ErrCrashed) {
		t.Errorf("read after the crash: %v", err)
	}
	if fsys.Steps() != 2 {
		t.Errorf("%d steps", fsys.Steps())
	}
}

func TestFullDisk(t *testing.T) {
	fsys := NewCrashing()
	f := write(t, fsys, "/f", "")
	fsys.SetSpace(3)
	if n, err := f.WriteAt([]byte("hello"), 0); n != 3 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%d, %v", n, err)
	}
}
