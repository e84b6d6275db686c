package apache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Program is a Java program, of a test's own or in Kafka's jars.
type Program struct {
	installation *Installation
	class        string
	classes      string // the directory; empty for a class of Kafka's jars
}

// CompileProgram compiles a source file whose class has its name. The classes go to a directory dir. It returns ErrMissing where
// there is no compiler.
func (i *Installation) CompileProgram(ctx context.Context, source, dir string) (*Program, error) {
	javac, err := exec.LookPath("javac")
	if err != nil {
		return nil, fmt.Errorf("javac, to compile %s: %w", source, ErrMissing)
	}
	out, err := exec.CommandContext(ctx, javac, "-cp", i.jars(), "-d", dir, source).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("javac %s: %w\n%s", source, err, out)
	}
	class := filepath.Base(source)
	return &Program{i, class[:len(class)-len(filepath.Ext(class))], dir}, nil
}

// Start runs the program until it ends, or is stopped or killed. It prints to dir/name.out.
func (p *Program) Start(name, dir string, args ...string) (*Process, error) {
	classPath := p.installation.jars()
	if p.classes != "" {
		classPath += string(os.PathListSeparator) + p.classes
	}
	cmd, err := p.installation.run(dir, "WARN", classPath, toolJVM, p.class, args...)
	if err != nil {
		return nil, err
	}
	return StartProcess(name, dir, cmd)
}

// RequireProgram is Require and CompileProgram.
func RequireProgram(t testing.TB, source string) *Program {
	t.Helper()
	p, err := Require(t).CompileProgram(t.Context(), source, t.TempDir())
	if errors.Is(err, ErrMissing) && os.Getenv(RequireVariable) != "1" {
		t.Skipf("This test runs a Java program: %v. Set %s=1 to make that a failure.", err, RequireVariable)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// StartProgram starts a program that ends with the test at the latest.
func StartProgram(t testing.TB, p *Program, name string, args ...string) *Process {
	t.Helper()
	process, err := p.Start(name, t.TempDir(), args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		process.Kill()
		showIfFailed(t, process)
	})
	return process
}

// StartTool starts one of Kafka's tools that runs until it has done its work, or the test ends.
func StartTool(t testing.TB, name, class string, args ...string) *Process {
	t.Helper()
	return StartProgram(t, &Program{installation: Require(t), class: class}, name, args...)
}
