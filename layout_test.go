package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestLayout holds ARCHITECTURE.md to the code: every folder with Go in it stands in the import table,
// imports nothing that its row does not allow, and opens with exactly one essay; no row allows what nobody needs.
func TestLayout(t *testing.T) {
	allowed := importTable(t)
	packages := goPackages(t)
	for folder, pkg := range packages {
		row, named := allowed[folder]
		if !named {
			t.Errorf("%s: not in the import table of ARCHITECTURE.md", folder)
			continue
		}
		for imported, file := range pkg.imports {
			if !slices.ContainsFunc(row, func(pattern string) bool { return matches(pattern, imported) }) {
				t.Errorf("%s imports %s, which the row of %s in ARCHITECTURE.md does not allow", file, imported, folder)
			}
		}
		if len(pkg.essays) != 1 {
			t.Errorf("%s: %d package essays %v, want one", folder, len(pkg.essays), pkg.essays)
		}
		if steps := strings.Split(folder, "/"); len(steps) > 2 {
			t.Errorf("%s: a package lies at most two steps deep", folder)
		} else if last := steps[len(steps)-1]; last == "util" || last == "common" {
			t.Errorf("%s: a thing lives with the noun it serves", folder)
		}
	}
	for folder, row := range allowed {
		pkg, ok := packages[folder]
		if !ok {
			t.Errorf("ARCHITECTURE.md names %s, which holds no Go", folder)
			continue
		}
		for _, pattern := range row {
			if !pkg.importsAny(pattern) {
				t.Errorf("the row of %s in ARCHITECTURE.md allows %s, which is never imported", folder, pattern)
			}
		}
	}
}

// importTable reads the block marked "imports": a folder, then the folders it may import.
func importTable(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "```imports\n")
	block, _, closed := strings.Cut(rest, "```")
	if !found || !closed {
		t.Fatal("ARCHITECTURE.md has no block of imports")
	}
	table := make(map[string][]string)
	for line := range strings.Lines(block) {
		if fields := strings.Fields(line); len(fields) > 0 {
			table[fields[0]] = fields[1:]
		}
	}
	return table
}

// matches reports whether a row's entry allows a folder: the folder itself, or server/* for what lies in it.
func matches(pattern, folder string) bool {
	ok, _ := path.Match(pattern, folder)
	return ok
}

type goPackage struct {
	imports map[string]string // folder of this module -> a file that imports it
	essays  []string          // files with a package comment
}

// goPackages parses every file that is no test, whatever its build tags but ignore.
func goPackages(t *testing.T) map[string]*goPackage {
	t.Helper()
	packages := make(map[string]*goPackage)
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if name == "testdata" || strings.HasPrefix(name, "_") || strings.HasPrefix(name, ".") && name != "." || hasOwnModule(file) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil || isTool(parsed) {
			return err
		}
		folder := filepath.ToSlash(filepath.Dir(file))
		if packages[folder] == nil {
			packages[folder] = &goPackage{imports: make(map[string]string)}
		}
		packages[folder].add(file, parsed)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return packages
}

// isTool reports whether a file is no part of its folder's package: a program for go generate.
func isTool(parsed *ast.File) bool {
	return slices.ContainsFunc(parsed.Comments, func(c *ast.CommentGroup) bool {
		return c.Pos() < parsed.Package && strings.Contains(c.List[0].Text, "//go:build ignore")
	})
}

func (p *goPackage) importsAny(pattern string) bool {
	for imported := range p.imports {
		if matches(pattern, imported) {
			return true
		}
	}
	return false
}

func hasOwnModule(folder string) bool {
	if folder == "." {
		return false
	}
	_, err := os.Stat(filepath.Join(folder, "go.mod"))
	return err == nil
}

func (p *goPackage) add(file string, parsed *ast.File) {
	if parsed.Doc != nil {
		p.essays = append(p.essays, file)
	}
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		if folder, ours := strings.CutPrefix(imported, "ottla/"); ours {
			p.imports[folder] = file
		}
	}
}
