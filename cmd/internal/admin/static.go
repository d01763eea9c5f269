package admin

import (
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// maxStatic bounds a file that is served, bytes: front ends have a few
// megabytes of script.
const maxStatic = 64 << 20

// Static serves the files of an installed front end (admin-api.md §1.6). The
// file system keeps paths inside of it.
func Static(files fs.FS) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
		if strings.HasSuffix(r.URL.Path, "/") {
			if name = path.Join(name, "index.html"); !isFile(files, name) {
				name = "index.html"
			}
		}
		f, size := openFile(files, name)
		if f == nil {
			writePlain(w, http.StatusNotFound, "Page not found")
			return
		}
		defer f.Close()
		kind := mime.TypeByExtension(path.Ext(name))
		if kind == "" {
			kind = "application/octet-stream"
		}
		w.Header().Set("Content-Type", kind)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
		w.WriteHeader(http.StatusOK)
		if r.Method != http.MethodHead {
			_, _ = io.CopyN(w, f, size) // the caller may have gone
		}
	})
}

func isFile(files fs.FS, name string) bool {
	f, _ := openFile(files, name)
	if f == nil {
		return false
	}
	_ = f.Close()
	return true
}

// openFile returns nil for what is no file that can be served.
func openFile(files fs.FS, name string) (f fs.File, size int64) {
	if !fs.ValidPath(name) {
		return nil, 0
	}
	f, err := files.Open(name)
	if err != nil {
		return nil, 0
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxStatic {
		_ = f.Close()
		return nil, 0
	}
	return f, info.Size()
}
