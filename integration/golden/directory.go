package golden

import (
	"archive/tar"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// Unpack writes the files of a .tar.gz below a directory: those that are wanted, or all if wanted is nil.
func Unpack(t testing.TB, archive, dir string, wanted func(name string) bool) {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	gz, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(gz); ; {
		h, err := r.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if wanted != nil && !wanted(h.Name) {
			continue
		}
		if err := extract(h, r, filepath.Join(dir, h.Name)); err != nil {
			t.Fatal(err)
		}
	}
}

// extract writes one file, or makes one directory.
func extract(h *tar.Header, content io.Reader, name string) error {
	if h.FileInfo().IsDir() {
		return os.MkdirAll(name, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	data, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o644)
}
