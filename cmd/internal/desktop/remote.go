package desktop

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// answerTimeout is how long another server may take to begin its answer.
const answerTimeout = 15 * time.Second

// Remote is the admin page of this program on the API of another server: the
// page is answered here, calls are passed on. Without credentials of its own it
// lets the browser ask for them. Safe for any goroutine.
type Remote struct {
	page  http.Handler
	proxy *httputil.ReverseProxy
	probe *http.Client

	api            *url.URL // address of the API, path without a slash at the end
	user, password string   // both empty: the browser's are passed on
}

// ParseRemote reads the address of an API, such as http://host:27780/api, which
// may contain credentials.
func ParseRemote(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, errors.New("write the address of an admin API, as in http://host:27780/api")
	}
	u.Path = strings.TrimRight(u.Path, "/")
	if u.Path == "" {
		u.Path = "/api"
	}
	u.RawQuery, u.Fragment, u.RawPath = "", "", ""
	return u, nil
}

// NewRemote returns the page for the API at address, from ParseRemote.
// credentials are "user:password" and win over those in the address.
func NewRemote(page http.Handler, address *url.URL, credentials string) *Remote {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = answerTimeout
	api := *address
	api.User = nil
	r := &Remote{page: page, api: &api, probe: &http.Client{
		Transport: transport, Timeout: answerTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if address.User != nil {
		r.user = address.User.Username()
		r.password, _ = address.User.Password()
	}
	if credentials != "" {
		r.user, r.password, _ = strings.Cut(credentials, ":")
	}
	r.proxy = &httputil.ReverseProxy{
		Transport: transport, Rewrite: r.rewrite, ModifyResponse: r.clean, ErrorHandler: r.unreachable,
		ErrorLog: log.New(io.Discard, "", 0), // whoever asked is told
	}
	return r
}

// siblings are what a server answers beside its API.
var siblings = []string{"/metrics", "/healthz", "/readyz"}

// target returns where a path of the page leads on the other server; false if
// nowhere.
func (r *Remote) target(path string) (string, bool) {
	if rest, ok := strings.CutPrefix(path, "/api/"); ok {
		return r.api.Path + "/" + rest, true
	}
	for _, s := range siblings {
		if path == s {
			return r.api.Path[:strings.LastIndexByte(r.api.Path, '/')] + s, true
		}
	}
	return "", false
}

// ServeHTTP answers with the page or passes the request on.
func (r *Remote) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	if _, ok := r.target(q.URL.Path); ok {
		r.proxy.ServeHTTP(w, q)
		return
	}
	if q.URL.Path == "/" && r.user == "" && r.wantsCredentials(q) {
		w.Header().Set("WWW-Authenticate", `Basic realm="drawpile-srv"`)
		refuse(w, http.StatusUnauthorized, "The server at "+r.api.Host+" wants a user name and a password.")
		return
	}
	r.page.ServeHTTP(w, q)
}

// wantsCredentials asks the other server whether it lets the browser in. If it
// cannot be asked, the page will say why.
func (r *Remote) wantsCredentials(q *http.Request) bool {
	ask, err := http.NewRequestWithContext(q.Context(), http.MethodHead, r.api.String()+"/status/", nil)
	if err != nil {
		return false
	}
	r.authorize(ask, q)
	answer, err := r.probe.Do(ask)
	if err != nil {
		return false
	}
	_ = answer.Body.Close() // of a HEAD: there is none
	return answer.StatusCode == http.StatusUnauthorized
}

// authorize adds the credentials to a request.
func (r *Remote) authorize(out, in *http.Request) {
	out.Header.Del("Authorization")
	if r.user != "" {
		out.SetBasicAuth(r.user, r.password)
	} else if given := in.Header.Get("Authorization"); given != "" {
		out.Header.Set("Authorization", given)
	}
}

// own are headers between the browser and the door, which has judged them; the
// other server would take them for those of another site.
var own = []string{"Cookie", "Origin", "Referer", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest", "Sec-Fetch-User"}

func (r *Remote) rewrite(p *httputil.ProxyRequest) {
	path, _ := r.target(p.In.URL.Path)
	// The escaped form is passed on as it is, so that an escaped slash stays one.
	if escaped, ok := r.target(p.In.URL.EscapedPath()); ok && escaped != path {
		p.Out.URL.RawPath = escaped
	} else {
		p.Out.URL.RawPath = ""
	}
	p.Out.URL.Scheme, p.Out.URL.Host, p.Out.URL.Path = r.api.Scheme, r.api.Host, path
	p.Out.Host = r.api.Host
	for _, name := range own {
		p.Out.Header.Del(name)
	}
	r.authorize(p.Out, p.In)
}

// clean keeps the other server from setting anything in the browser. That it
// refuses the credentials that this program was given has to be said here: the
// browser was never asked for any.
func (r *Remote) clean(answer *http.Response) error {
	for _, name := range []string{"Set-Cookie", "Www-Authenticate", "Access-Control-Allow-Origin", "Clear-Site-Data", "Location"} {
		answer.Header.Del(name)
	}
	answer.Header.Set("X-Content-Type-Options", "nosniff")
	answer.Header.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	if answer.StatusCode == http.StatusUnauthorized && r.user != "" {
		body := failure("The server at " + r.api.Host + " refuses the user name and password that drawpile-srv was started with. Start it again with others.")
		_ = answer.Body.Close() // nothing of it is needed
		answer.Body = io.NopCloser(bytes.NewReader(body))
		answer.ContentLength = int64(len(body))
		answer.Header.Set("Content-Length", strconv.Itoa(len(body)))
		answer.Header.Set("Content-Type", "application/json")
		answer.Header.Del("Content-Encoding")
	}
	return nil
}

// failure is the API's form of an error.
func failure(text string) []byte {
	b, _ := json.Marshal(map[string]string{"status": "error", "message": text}) // strings never fail
	return b
}

func (r *Remote) unreachable(w http.ResponseWriter, _ *http.Request, err error) {
	var broken *url.Error
	if errors.As(err, &broken) {
		err = broken.Err
	}
	body := failure(fmt.Sprintf("The server at %s cannot be reached: %v", r.api.Host, err))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadGateway)
	_, _ = w.Write(body) // whoever left does not care
}
