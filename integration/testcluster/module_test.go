package testcluster_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Another module's tests use the package as anybody's would, through a replace directive in its go.mod.
func TestFromAnotherModule(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	// go test writes what it finds out about versions into go.mod and go.sum: into copies.
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/usermodule")); err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "go.mod"), strings.ReplaceAll(string(mod), "=> ../../../..", "=> "+root))
	put(t, filepath.Join(dir, "go.sum"), string(sum))

	cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-timeout=5m", "./...")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("go test: %v\n%s", err, out)
	}
}

func put(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
