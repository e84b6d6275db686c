package mixed

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// ottlaBinary builds the program once for all tests.
var ottlaBinary = sync.OnceValues(func() (string, error) {
	dir := os.Getenv(binaryVariable)
	file := filepath.Join(dir, "ottla")
	if out, err := exec.Command("go", "build", "-o", file, "ottla").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return file, nil
})

// binaryVariable tells where the program goes; the directory ends with the tests.
const binaryVariable = "OTTLA_MIXED_BINARY_DIR"

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "ottla-mixed-")
	if err != nil {
		panic(err)
	}
	_ = os.Setenv(binaryVariable, dir)
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}
