package logdir

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ext4 is a small file system of that kind, with its journal, in a file.
type ext4 struct {
	t           *testing.T
	device, dir string
}

// newExt4 takes root, loop devices, and a kernel that lets root mount them.
func newExt4(t *testing.T) *ext4 {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, 64<<20)); err != nil {
		t.Fatal(err)
	}
	run := func(name string, args ...string) string {
		out, err := exec.Command(name, args...).CombinedOutput()
		if err != nil {
			t.Skipf("no file system can be made here: %s: %v: %s", name, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	run("mkfs.ext4", "-q", "-F", image)
	e := &ext4{t: t, device: run("losetup", "--find", "--show", image), dir: t.TempDir()}
	t.Cleanup(func() { _ = exec.Command("losetup", "--detach", e.device).Run() })
	if err := e.mount(); err != nil {
		t.Skipf("no file system can be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(e.dir, unix.MNT_DETACH) }) // the test may have done it already
	return e
}

func (e *ext4) mount() error { return unix.Mount(e.device, e.dir, "ext4", 0, "") }

// remount is what an operator does once the disk is well again.
func (e *ext4) remount() {
	e.t.Helper()
	if err := errors.Join(unix.Unmount(e.dir, 0), e.mount()); err != nil {
		e.t.Fatal(err)
	}
}

// abort is what ext4 does by itself when its journal cannot be written: it lets nobody write any more.
func (e *ext4) abort() error { return unix.Mount("", e.dir, "", unix.MS_REMOUNT, "abort") }

// shut has every operation answer EIO from now on, and what was not synced is lost, as when the disk is pulled out.
func (e *ext4) shut() error {
	const (
		shutdown   = 0x8004587d // EXT4_IOC_SHUTDOWN, of include/uapi/linux/ext4.h
		noLogFlush = 2
	)
	d, err := os.Open(e.dir)
	if err != nil {
		return err
	}
	defer d.Close()
	how := uint32(noLogFlush)
	if _, _, number := unix.Syscall(unix.SYS_IOCTL, d.Fd(), shutdown, uintptr(unsafe.Pointer(&how))); number != 0 {
		return number
	}
	return nil
}

// TestARealDiskFailsUnderLoad: one that becomes read-only, and one that is pulled out, takes its log directory offline alone; and
// when it is back, so is all that was flushed.
func TestARealDiskFailsUnderLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("it makes file systems")
	}
	for name, tc := range map[string]struct {
		fail   func(*ext4) error
		causes []error
	}{
		"it becomes read-only": {fail: (*ext4).abort, causes: []error{syscall.EROFS, syscall.EIO}}, // the latter of what was under way
		"it is pulled out":     {fail: (*ext4).shut, causes: []error{syscall.EIO}},
	} {
		t.Run(name, func(t *testing.T) {
			e, good := newExt4(t), t.TempDir()
			o := smallFiles(e.dir, good)
			failed := make(chan error, 2)
			o.OnDirFailure = func(dir string, err error) {
				if dir != e.dir {
					t.Errorf("%s goes offline: %v", dir, err)
				}
				failed <- err
			}
			var cannot error
			m, loads := underLoad(t, o, func(m *Manager, loads []*load) {
				awaitThat(t, "a first roll", func() bool { return len(loads[0].log.list()) > 1 && len(loads[1].log.list()) > 1 })
				for _, w := range loads {
					w.doubtful.Store(true)
				}
				if cannot = tc.fail(e); cannot != nil {
					return
				}
				awaitThat(t, "the directory goes offline", func() bool { return len(m.OfflineDirs()) == 1 })
				for _, w := range loads {
					if w.log.Dir() == good {
						before := w.log.LogEndOffset()
						awaitThat(t, "the other goes on", func() bool { return w.log.LogEndOffset() > before+300 })
					}
				}
			})
			if cannot != nil {
				t.Skipf("no disk can be made to fail here: %v", cannot)
			}
			if err := <-failed; !slices.ContainsFunc(tc.causes, func(cause error) bool { return errors.Is(err, cause) }) || len(failed) > 0 {
				t.Errorf("it failed of %v, and %d times more", err, len(failed))
			}
			for _, w := range loads {
				switch {
				case w.log.Dir() == e.dir && !errors.Is(w.failed, ErrStorage):
					t.Errorf("%v in the bad directory: %v", w.log, w.failed)
				case w.log.Dir() == good && w.failed != nil:
					t.Errorf("%v in the good directory: %v", w.log, w.failed)
				case w.flushed == 0:
					t.Errorf("%v was never flushed", w.log)
				}
			}
			m.Abandon()
			e.remount()
			o.OnDirFailure = nil
			m = open(t, o)
			for _, w := range loads {
				l, ok := m.Log(w.log.tp)
				if !ok {
					t.Fatalf("%v: %v", w.log.tp, m.Quarantined())
				}
				least := 3 * w.flushed
				if w.log.Dir() == good {
					least = 3 * w.acknowledged
				}
				if end := int(l.LogEndOffset()); end < least || w.log.Dir() == good && end != least {
					t.Errorf("%v ends at %d, flushed or acknowledged were %d", l, end, least)
				}
				wantValues(t, l, 0, 0, int(l.LogEndOffset()))
				checkLog(t, l)
				if _, err := l.AppendAsLeader(plain(0, 1, 1000), 0, OriginClient, 9); err != nil {
					t.Errorf("%v takes nothing: %v", l, err)
				}
			}
			m.Abandon()
		})
	}
}
