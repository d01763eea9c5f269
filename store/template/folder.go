package template

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"drawrelay/store/serverlog"
)

// clockGrain is more than the resolution of modification times. A file read so
// soon after its last change is read again at the next look.
const clockGrain = 20 * time.Millisecond

// Options say how a folder of templates is used.
type Options struct {
	// NewID makes an id for a session to be.
	NewID func() (string, error)
	// Log is told about templates that come and go (Info), doubtful ones (Warn)
	// and files that cannot be used (Error). Any goroutine that calls Look.
	Log func(level serverlog.Level, text string)
	Now func() time.Time
}

// Folder is a folder of templates. Any goroutine, but loops: Look reads files.
type Folder struct {
	dir string
	o   Options

	look sync.Mutex // one look at a time; protects seen and failure
	seen map[string]seen
	// failure is why the folder could not be read, so that it is told once.
	failure string

	mu       sync.RWMutex // protects what follows; held for look-ups only
	usable   map[string]*Template
	order    []*Template       // by alias
	reserved map[string]string // alias to the id its next session gets
}

// seen is a file as it was when it was last read.
type seen struct {
	info     fs.FileInfo
	fresh    bool      // it may have changed again without its time moving
	template *Template // nil: it cannot be used
}

// Open reads all templates of a folder, which must exist.
func Open(dir string, o Options) (*Folder, error) {
	f := &Folder{dir: dir, o: o, seen: make(map[string]seen), reserved: make(map[string]string)}
	if _, err := os.ReadDir(dir); err != nil {
		return nil, fmt.Errorf("read the template folder: %w; create it or let the server's user read it", err)
	}
	f.Look()
	return f, nil
}

// Look notices files that were added, changed or removed, in place or by
// renaming. It blocks on the disk: never on a loop.
func (f *Folder) Look() {
	f.look.Lock()
	defer f.look.Unlock()
	entries, err := os.ReadDir(f.dir) // by name
	if err != nil {
		if text := err.Error(); text != f.failure {
			f.failure = text
			f.o.Log(serverlog.Error, "Cannot read the template folder, the templates stay as they were: "+text)
		}
		return
	}
	f.failure = ""
	now := make(map[string]seen)
	usable := make(map[string]*Template)
	taken := make(map[string]string) // alias to file
	for _, e := range entries {
		name := e.Name()
		alias := aliasOf(name)
		if alias == "" || strings.HasPrefix(name, ".") {
			continue
		}
		path := filepath.Join(f.dir, name)
		info, err := os.Stat(path) // through symbolic links
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		s, known := f.seen[name]
		if !known || s.fresh || !sameState(s.info, info) {
			s = f.read(path, alias, info, s)
			if other, twice := taken[alias]; twice {
				f.o.Log(serverlog.Warn, fmt.Sprintf("Template %s hides %s, which has the same alias; rename one of them", name, other))
			}
		}
		now[name] = s
		taken[alias] = name
		delete(usable, alias) // the later one wins
		if s.template != nil {
			usable[alias] = s.template
		}
	}
	f.seen = now
	f.publish(usable)
}

// read loads a file that is new or has changed since it was seen.
func (f *Folder) read(path, alias string, info fs.FileInfo, last seen) seen {
	// From before reading: a change meanwhile may have the same time.
	age := f.o.Now().Sub(info.ModTime())
	t, err := Load(path, alias)
	s := seen{info: info, template: t}
	s.fresh = age >= 0 && age < clockGrain
	if last.fresh && sameState(last.info, info) && (t == nil) == (last.template == nil) {
		return s // told already
	}
	if err != nil {
		f.o.Log(serverlog.Error, "Cannot use "+err.Error())
		return s
	}
	f.o.Log(serverlog.Info, fmt.Sprintf("Offering the template %s of %d messages", t.Alias, t.Messages))
	for _, w := range t.Warnings() {
		f.o.Log(serverlog.Warn, "Template "+w)
	}
	return s
}

func sameState(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

func (f *Folder) publish(usable map[string]*Template) {
	order := make([]*Template, 0, len(usable))
	for _, t := range usable {
		order = append(order, t)
	}
	slices.SortFunc(order, func(a, b *Template) int { return cmp.Compare(a.Alias, b.Alias) })
	for _, t := range f.List() {
		if usable[t.Alias] == nil {
			f.o.Log(serverlog.Info, "No longer offering the template "+t.Alias)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.usable, f.order = usable, order
	for alias := range f.reserved {
		if usable[alias] == nil {
			delete(f.reserved, alias)
		}
	}
}

// List returns the usable templates by alias. The slice must not be changed.
func (f *Folder) List() []*Template {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.order
}

// Lookup returns the template with an alias or a reserved id, and the id its
// next session gets: the same one until Used.
func (f *Folder) Lookup(aliasOrID string) (t *Template, id string, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t = f.usable[aliasOrID]
	if t == nil {
		for alias, id := range f.reserved {
			if id == aliasOrID {
				return f.usable[alias], id, true
			}
		}
		return nil, "", false
	}
	if id = f.reserved[t.Alias]; id == "" {
		var err error
		if id, err = f.o.NewID(); err != nil {
			f.o.Log(serverlog.Error, fmt.Sprintf("Cannot use template %s: %v", t.Alias, err))
			return nil, "", false
		}
		f.reserved[t.Alias] = id
	}
	return t, id, true
}

// Used says that a session has taken its id: the next one gets another.
func (f *Folder) Used(alias, id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.reserved[alias] == id {
		delete(f.reserved, alias)
	}
}
