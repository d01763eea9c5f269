// Package adminpage is the administration page that is built into the server:
// static files for the browser, which use the admin API beside them. Whoever
// serves the page authenticates; it contains no secrets itself.
package adminpage

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed assets
var assets embed.FS

// securityPolicy lets the page load and call nothing but its own server, and
// run nothing that is not one of its files; pictures of canvases arrive inside
// of the API's answers. No other site may frame it.
const securityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// Bodies of the API's own error pages (admin-api.md §1.6).
const (
	notFound         = "<html><body>404 - Page not found</body></html>"
	methodNotAllowed = "<html><body>405 - Method not allowed</body></html>"
)

// kinds are the content types of the files; the machine's own table may be
// missing or wrong.
var kinds = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// file is one file of the page with what its answers say.
type file struct {
	body []byte
	kind string
	etag string
}

// Page serves the page: "/" and "/assets/…". Safe for any goroutine.
type Page struct{ files map[string]file }

// New reads the embedded files.
func New() *Page {
	p := &Page{files: make(map[string]file)}
	err := fs.WalkDir(assets, "assets", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := assets.ReadFile(name)
		if err != nil {
			return err
		}
		kind := kinds[path.Ext(name)]
		if kind == "" {
			kind = mime.TypeByExtension(path.Ext(name))
		}
		sum := sha256.Sum256(body)
		address := "/" + name
		if name == "assets/index.html" {
			address = "/"
		}
		p.files[address] = file{body: body, kind: kind, etag: `"` + hex.EncodeToString(sum[:12]) + `"`}
		return nil
	})
	if err != nil {
		panic(fmt.Sprintf("internal error: read the embedded page: %v", err))
	}
	return p
}

// Has reports whether one of the page's files is at path.
func (p *Page) Has(path string) bool {
	_, ok := p.files[path]
	return ok
}

// ServeHTTP answers for the page's files, 404 for everything else.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "HEAD,GET")
		refuse(w, http.StatusMethodNotAllowed, methodNotAllowed)
		return
	}
	f, ok := p.files[r.URL.Path]
	if !ok {
		refuse(w, http.StatusNotFound, notFound)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Content-Security-Policy", securityPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("ETag", f.etag)
	// Asked for every time, sent only after an update of the server: files of
	// two versions never meet.
	h.Set("Cache-Control", "no-cache")
	if matches(r.Header.Get("If-None-Match"), f.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(f.body)))
	if r.Method == http.MethodGet {
		_, _ = bytes.NewReader(f.body).WriteTo(w) // whoever left does not care
	}
}

func refuse(w http.ResponseWriter, status int, body string) {
	// No content type, as the Drawpile server answers.
	w.Header()["Content-Type"] = nil
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body)) // whoever left does not care
}

// matches reports whether an If-None-Match header names etag.
func matches(header, etag string) bool {
	for candidate := range strings.SplitSeq(header, ",") {
		candidate = strings.TrimPrefix(strings.TrimSpace(candidate), "W/")
		if candidate == etag || candidate == "*" {
			return true
		}
	}
	return false
}
