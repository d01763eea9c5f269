package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "drawrelay"

// law is what the packages below one folder may import.
type law struct {
	folder string
	// project lists the folders of this module that may be imported; a folder
	// may always import itself.
	project []string
	// modules lists prefixes of foreign packages that may be imported; nil
	// means all but those forbidden.
	modules []string
	// forbidden lists packages that must not be imported directly.
	forbidden []string
	// never lists packages that must not even be reached through others,
	// except through gnet, whose logger drags in half the standard library, and
	// the WebSocket handshake, which takes the names of headers from net/http.
	never []string
}

var laws = []law{
	{folder: "frame", modules: []string{}, forbidden: []string{"net", "net/netip", "net/http", "os", "os/signal", "time", "log", "log/slog", "io/fs"}},
	{folder: "store", project: []string{"frame"}, never: []string{"net/http", gnet}},
	{folder: "login", project: []string{"frame", "store"}, never: []string{"net/http", "database/sql", gnet}},
	{folder: "relay", project: []string{"frame", "store"}, never: []string{"net/http", "database/sql"},
		modules: []string{gnet, bufferPool, "golang.org/x/sys", "golang.org/x/crypto/nacl/secretbox"}},
	{folder: "perf", project: []string{"frame"}},
	{folder: "fuzz", project: []string{"frame", "store", "login"}, never: []string{gnet}},
	{folder: "cmd", project: []string{"frame", "store", "login", "relay"}},
}

const (
	gnet       = "github.com/panjf2000/gnet"
	webSocket  = "github.com/gobwas/ws"
	bufferPool = "github.com/valyala/bytebufferpool" // the one gnet uses
)

// onlyCmd are packages for the command line, the environment and signals.
var onlyCmd = []string{"flag", "os/signal"}

// programs are the folders with a main package.
var programs = []string{"cmd", "perf"}

// listed is a package as the go command describes it.
type listed struct {
	ImportPath string
	Imports    []string
}

// TestImportLaw holds every package to the import law.
func TestImportLaw(t *testing.T) {
	packages := listPackages(t)
	for _, p := range packages {
		folder := folderOf(p.ImportPath)
		if folder == "" {
			continue
		}
		i := slices.IndexFunc(laws, func(l law) bool { return l.folder == folder })
		if i < 0 {
			t.Errorf("%s: no law for folder %q", p.ImportPath, folder)
			continue
		}
		l := laws[i]
		for _, imported := range p.Imports {
			if why := l.breach(imported); why != "" {
				t.Errorf("%s imports %s: %s", p.ImportPath, imported, why)
			}
			if slices.Contains(onlyCmd, imported) && !slices.Contains(programs, folder) {
				t.Errorf("%s imports %s: only programs read flags, environment and signals", p.ImportPath, imported)
			}
		}
		for reached := range reach(packages, p.ImportPath) {
			if slices.ContainsFunc(l.never, func(n string) bool { return within(reached, n) }) {
				t.Errorf("%s reaches %s", p.ImportPath, reached)
			}
			if f := folderOf(reached); f != "" && f != folder && !slices.Contains(l.project, f) {
				t.Errorf("%s reaches %s", p.ImportPath, reached)
			}
		}
	}
}

// breach says why a package of the folder may not import this one.
func (l law) breach(imported string) string {
	first, _, _ := strings.Cut(imported, "/")
	switch f := folderOf(imported); {
	case f != "":
		if f != l.folder && !slices.Contains(l.project, f) {
			return l.folder + " may import " + strings.Join(l.project, ", ")
		}
	case strings.Contains(first, "."):
		allowed := func(m string) bool { return within(imported, m) }
		if l.modules != nil && !slices.ContainsFunc(l.modules, allowed) {
			return "foreign packages allowed: " + strings.Join(l.modules, ", ")
		}
	case slices.Contains(l.forbidden, imported):
		return "forbidden in " + l.folder
	}
	return ""
}

// onlyStore are functions of package os that touch files; only store calls
// them, so that its tests can stand for all of them.
var onlyStore = []string{"Create", "CreateTemp", "Mkdir", "MkdirAll", "MkdirTemp", "Open", "OpenFile", "OpenRoot", "ReadDir",
	"ReadFile", "Remove", "RemoveAll", "Rename", "Stat", "Lstat", "WriteFile", "Truncate", "Symlink", "Link", "Chmod", "Chtimes"}

// environment are functions of package os that read the environment.
var environment = []string{"Getenv", "LookupEnv", "Environ", "ExpandEnv", "Args"}

// TestFilesAndEnvironment looks into all sources, of every system, for uses
// that the import law cannot see.
func TestFilesAndEnvironment(t *testing.T) {
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != root || d.Name() == "testdata") {
			if path == root || d.Name() == ".." {
				return nil
			}
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		relative, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		folder, _, _ := strings.Cut(filepath.ToSlash(relative), "/")
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := s.X.(*ast.Ident); !ok || x.Name != "os" {
				return true
			}
			if slices.Contains(onlyStore, s.Sel.Name) && folder != "store" && folder != "perf" {
				t.Errorf("%s uses os.%s: only store touches files", relative, s.Sel.Name)
			}
			if slices.Contains(environment, s.Sel.Name) && !slices.Contains(programs, folder) {
				t.Errorf("%s uses os.%s: only programs read flags, environment and signals", relative, s.Sel.Name)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// listPackages asks the go command for the packages of the module and all that
// they need, by import path.
func listPackages(t *testing.T) map[string]listed {
	t.Helper()
	command := exec.Command("go", "list", "-deps", "-json=ImportPath,Imports", module+"/...")
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	packages := make(map[string]listed)
	folders := make(map[string]bool)
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		packages[p.ImportPath] = p
		folders[folderOf(p.ImportPath)] = true
	}
	for _, l := range laws {
		if !folders[l.folder] && l.folder != "fuzz" { // which may hold tests only
			t.Errorf("go list found no package in %s", l.folder)
		}
	}
	return packages
}

// reach returns what a package needs, directly or not. It does not look behind
// gnet and the WebSocket handshake.
func reach(packages map[string]listed, from string) map[string]bool {
	seen := make(map[string]bool)
	for todo := []string{from}; len(todo) > 0; {
		next := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, imported := range packages[next].Imports {
			if !seen[imported] {
				seen[imported] = true
				if !within(imported, gnet) && !within(imported, webSocket) {
					todo = append(todo, imported)
				}
			}
		}
	}
	return seen
}

// folderOf returns the top folder of a package of this module, else "".
func folderOf(path string) string {
	rest, ok := strings.CutPrefix(path, module+"/")
	if !ok {
		return ""
	}
	folder, _, _ := strings.Cut(rest, "/")
	return folder
}

// within reports whether path is the package or below it.
func within(path, prefix string) bool {
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}
