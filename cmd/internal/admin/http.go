package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"unicode/utf8"

	"drawrelay/store/serverlog"
)

const apiPrefix = "/api/"

// ServeHTTP implements http.Handler in the order of admin-api.md §1.3: method,
// route, credentials, call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := &noted{ResponseWriter: w}
	began := s.cfg.Now()
	defer func() {
		if p := recover(); p != nil && p != http.ErrAbortHandler {
			s.put(serverlog.Error, serverlog.Status, fmt.Sprintf("internal error in the admin API: %v\n%s", p, debug.Stack()))
			if n.status == 0 {
				writeReply(n, fail(http.StatusInternalServerError, "Internal error"))
			}
		}
		s.requests[min(max(n.status/100, 0), len(s.requests)-1)].Add(1)
		// Nobody wants to read that a probe has come again.
		probe, _ := isInside(r.URL.Path)
		if s.cfg.AccessLog != nil && (!probe || n.status >= http.StatusBadRequest) {
			s.cfg.AccessLog(Request{Time: began, Status: n.status, Peer: peerOf(r), Method: r.Method, Path: shownPath(r.URL.Path)})
		}
	}()
	h := w.Header()
	if s.cfg.Origin != "" {
		h.Set("Access-Control-Allow-Origin", s.cfg.Origin)
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete:
	case http.MethodOptions:
		h.Set("Access-Control-Allow-Methods", "HEAD, GET, POST, PUT, DELETE")
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Requested-With")
		h.Set("Access-Control-Max-Age", "86400")
		n.WriteHeader(http.StatusNoContent)
		return
	default:
		h.Set("Allow", "HEAD, GET, POST, PUT, DELETE, OPTIONS")
		writePlain(n, http.StatusMethodNotAllowed, "Method not allowed")
		return
	}
	s.route(n, r)
}

// route finds who serves a path.
func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	if s.rebound(r) {
		writePlain(w, http.StatusMisdirectedRequest, "Use localhost or the address of this machine instead of its name, or set --web-admin-auth")
		return
	}
	path := r.URL.Path
	var serve http.HandlerFunc
	inside, open := isInside(path)
	switch {
	case inside:
		serve = s.mux.ServeHTTP
	case strings.HasPrefix(path, apiPrefix):
		serve = s.api.ServeHTTP
	case path == ReloadPath && s.cfg.Reload != nil && isLocal(r):
		serve = s.reload
	case s.cfg.Page != nil && path != strings.TrimSuffix(apiPrefix, "/") && s.onPage(path):
		serve = s.page
	default:
		writePlain(w, http.StatusNotFound, "Page not found")
		return
	}
	if !open && !s.authorised(w, r) {
		return
	}
	rate := s.rate
	if open {
		rate = s.openRate
	}
	if !rate.take() {
		tooMany(w)
		return
	}
	serve(w, r)
}

// onPage reports whether the page may have something at path. One that can say
// that it has nothing there leaves no route to it, so nobody is asked for
// credentials.
func (s *Server) onPage(path string) bool {
	p, says := s.cfg.Page.(interface{ Has(path string) bool })
	return !says || p.Has(path)
}

func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "HEAD,GET")
		writePlain(w, http.StatusMethodNotAllowed, "Method not allowed")
		return
	}
	s.cfg.Page.ServeHTTP(w, r)
}

// call serves a call: its parameters are read, then it runs.
func (s *Server) call(w http.ResponseWriter, r *http.Request) {
	c := &call{method: r.Method}
	for part := range strings.SplitSeq(strings.TrimPrefix(r.URL.Path, apiPrefix), "/") {
		if part != "" {
			c.path = append(c.path, part)
		}
	}
	switch r.Method {
	case http.MethodHead:
		c.method = http.MethodGet
		fallthrough
	case http.MethodGet, http.MethodDelete:
		c.params = queryParams(r.URL.RawQuery)
	default:
		var refusal *reply
		if c.params, refusal = bodyParams(w, r); refusal != nil {
			writeReply(w, *refusal)
			return
		}
	}
	writeReply(w, s.run(r, c))
}

// tooMany answers callers that ask too often.
func tooMany(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "1")
	writeReply(w, fail(http.StatusTooManyRequests, "Too many requests, try again in a second"))
}

// bodyParams reads the JSON body of a request (admin-api.md §1.5).
func bodyParams(w http.ResponseWriter, r *http.Request) (params, *reply) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		x := fail(http.StatusRequestEntityTooLarge, fmt.Sprintf("The request body is larger than %d bytes", maxBody))
		return nil, &x
	case err != nil:
		x := fail(http.StatusBadRequest, "The request body cannot be read")
		return nil, &x
	case r.Method == http.MethodPost && strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded"):
		return params{}, nil
	case len(b) == 0:
		return params{}, nil
	case !utf8.Valid(b):
		x := fail(http.StatusBadRequest, "The request body is not UTF-8")
		return nil, &x
	}
	b = bytes.TrimPrefix(b, []byte("\ufeff")) // some editors and shells begin files with it
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		x := fail(http.StatusBadRequest, "The request body is not JSON: "+err.Error())
		return nil, &x
	}
	switch v := v.(type) {
	case map[string]any:
		return v, nil
	case []any:
		return params{}, nil
	}
	x := fail(http.StatusBadRequest, "The request body is not a JSON object")
	return nil, &x
}

// reply is the answer to a call.
type reply struct {
	status int
	body   any    // JSON
	empty  bool   // no body at all
	text   []byte // body, encoded
}

// encode makes the text. Long lists take a while.
func (r *reply) encode() {
	if r.empty || r.text != nil {
		return
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r.body); err != nil {
		panic("internal error: admin: " + err.Error())
	}
	r.text = buf.Bytes()
}

func ok(body any) reply { return reply{status: http.StatusOK, body: body} }

// fail is the standard error answer (admin-api.md §1.7).
func fail(status int, text string) reply {
	return reply{status: status, body: errorBody{Status: "error", Message: text}}
}

type errorBody struct {
	Message string `json:"message"`
	Status  string `json:"status"`
}

type statusBody struct {
	Status string `json:"status"`
}

var done = ok(statusBody{"ok"})

// entries turns a list into what is sent of it.
func entries[V, E any](list []V, entry func(*V) E) []E {
	out := make([]E, len(list))
	for i := range list {
		out[i] = entry(&list[i])
	}
	return out
}

func notFound() reply              { return fail(http.StatusNotFound, "Not found") }
func badMethod() reply             { return fail(http.StatusBadRequest, "Unsupported method") }
func badRequest(text string) reply { return fail(http.StatusBadRequest, text) }

// writeReply sends a reply as JSON. HEAD requests get none of the body, which
// net/http sees to.
func writeReply(w http.ResponseWriter, r reply) {
	r.encode()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Length", strconv.Itoa(len(r.text)))
	w.WriteHeader(r.status)
	_, _ = w.Write(r.text) // the caller may have gone
}

// writePlain sends one of the small pages of the reference.
func writePlain(w http.ResponseWriter, status int, text string) {
	w.Header()["Content-Type"] = nil // none, and none is guessed
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "<html><body>%d - %s</body></html>", status, text)
}

// noted remembers the status for the log.
type noted struct {
	http.ResponseWriter
	status int
}

func (n *noted) WriteHeader(status int) {
	if n.status == 0 {
		n.status = status
	}
	n.ResponseWriter.WriteHeader(status)
}

func (n *noted) Write(b []byte) (int, error) {
	if n.status == 0 {
		n.status = http.StatusOK
	}
	return n.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (n *noted) Unwrap() http.ResponseWriter { return n.ResponseWriter }

// peerOf returns the address of the peer, empty for a Unix socket.
func peerOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return strings.TrimPrefix(host, "::ffff:")
}

// shownPath is a path as the log shows it: invites are secrets.
func shownPath(path string) string {
	before, after, found := strings.Cut(path, "/invites/")
	if found && strings.Trim(after, "/") != "" {
		return before + "/invites/***"
	}
	return path
}
