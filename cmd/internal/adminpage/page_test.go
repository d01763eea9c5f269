package adminpage

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"

	"drawrelay/store/config"
)

func ask(t *testing.T, h http.Handler, method, target string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestPage(t *testing.T) {
	p := New()
	for address, kind := range map[string]string{
		"/": "text/html; charset=utf-8", "/assets/app.js": "text/javascript; charset=utf-8",
		"/assets/base.css": "text/css; charset=utf-8", "/assets/icon.svg": "image/svg+xml",
	} {
		w := ask(t, p, "GET", address)
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != kind || w.Body.Len() == 0 {
			t.Errorf("%s: %d %v", address, w.Code, w.Header())
		}
		if policy := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: policy %q", address, policy)
		}
		tag := w.Header().Get("ETag")
		if again := ask(t, p, "GET", address, "If-None-Match", `"other", W/`+tag); again.Code != http.StatusNotModified || again.Body.Len() != 0 {
			t.Errorf("%s with its tag: %d", address, again.Code)
		}
		if other := ask(t, p, "GET", address, "If-None-Match", `"other"`); other.Code != http.StatusOK {
			t.Errorf("%s with another tag: %d", address, other.Code)
		}
		if head := ask(t, p, "HEAD", address); head.Code != http.StatusOK || head.Body.Len() != 0 || head.Header().Get("Content-Length") == "0" {
			t.Errorf("HEAD %s: %d %v", address, head.Code, head.Header())
		}
	}
}

// TestElsewhere: admin-api.md §1.6, checklist 8 and 56.
func TestElsewhere(t *testing.T) {
	p := New()
	for _, address := range []string{"/foo", "/index.html", "/assets", "/assets/", "/assets/none.js", "/assets/../page.go", "/assets/%2e%2e/page.go", "/page.go", "/api"} {
		w := ask(t, p, "GET", address)
		if w.Code != http.StatusNotFound || w.Body.String() != notFound || w.Header().Get("Content-Type") != "" {
			t.Errorf("%s: %d %q %v", address, w.Code, w.Body, w.Header())
		}
	}
	w := ask(t, p, "POST", "/")
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "HEAD,GET" || w.Body.String() != methodNotAllowed {
		t.Errorf("POST: %d %v %s", w.Code, w.Header(), w.Body)
	}
}

var (
	reference = regexp.MustCompile(`(?:from '|import\('|import ')\./([^']+)'|(?:src|href)="assets/([^"]+)"`)
	inline    = regexp.MustCompile(`(?i)<style|<script(?:\s+type="module")?>|\son[a-z]+="|\sstyle="|innerHTML|insertAdjacentHTML|document\.write|\beval\(`)
	elsewhere = regexp.MustCompile(`(?i)(?:src|href)="(?:https?:)?//|@import|url\(|from '(?:https?:)?//|fetch\('http`)
)

// TestFiles makes sure that the files find each other, that none is left over,
// and that nothing in them needs what the policy forbids.
func TestFiles(t *testing.T) {
	used := map[string]bool{"index.html": true}
	names, err := fs.Glob(assets, "assets/*")
	if err != nil || len(names) < 10 {
		t.Fatalf("%d files, %v", len(names), err)
	}
	for _, name := range names {
		body, err := assets.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range reference.FindAllStringSubmatch(string(body), -1) {
			wanted := m[1] + m[2]
			used[wanted] = true
			if _, err := assets.ReadFile("assets/" + wanted); err != nil {
				t.Errorf("%s needs %s: %v", name, wanted, err)
			}
		}
		for _, e := range []*regexp.Regexp{inline, elsewhere} {
			if found := e.Find(body); found != nil {
				t.Errorf("%s contains %q", name, found)
			}
		}
		if kinds[path.Ext(name)] == "" {
			t.Errorf("%s is of no known kind", name)
		}
	}
	for _, name := range names {
		if !used[path.Base(name)] {
			t.Errorf("%s is not used", name)
		}
	}
}

// TestCatalogue: every setting is explained on the page.
func TestCatalogue(t *testing.T) {
	body, err := assets.ReadFile("assets/settings-catalogue.js")
	if err != nil {
		t.Fatal(err)
	}
	text := string(body)
	for _, tier := range []string{"Guest", "Registered", "Trusted", "Operator"} {
		text += "'rateLimit" + tier + "Messages' 'rateLimit" + tier + "Bytes'"
	}
	// Not in the API's settings: the whitelist and the cache of external bans.
	notThere := regexp.MustCompile(`^(announceWhitelist|extBansCache.*)$`)
	for _, key := range config.Keys() {
		if !notThere.MatchString(key) && !strings.Contains(text, "'"+key+"'") {
			t.Errorf("%s is not in the catalogue", key)
		}
	}
}

func TestGuard(t *testing.T) {
	reached := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	const origin, host = "http://admin.example:27780", "http://admin.example:27780/api/banlist/"
	for _, tt := range []struct {
		name, allowed, method string
		headers               []string
		want                  int
	}{
		{"a program", "", "POST", nil, 200},
		{"the page itself", "", "PUT", []string{"Sec-Fetch-Site", "same-origin", "Origin", origin}, 200},
		{"another site reads", "", "GET", []string{"Sec-Fetch-Site", "cross-site", "Origin", "http://evil.example"}, 200},
		{"a form of another site", "", "POST", []string{"Sec-Fetch-Site", "cross-site", "Origin", "http://evil.example", "Content-Type", "text/plain"}, 403},
		{"another site with JSON", "", "PUT", []string{"Sec-Fetch-Site", "cross-site", "Origin", "http://evil.example", "Content-Type", "application/json"}, 403},
		{"another port of the host", "", "DELETE", []string{"Sec-Fetch-Site", "same-site", "Origin", "http://admin.example"}, 403},
		{"an old browser, form of another site", "", "POST", []string{"Origin", "http://evil.example", "Content-Type", "text/plain"}, 403},
		{"an old browser, nothing known of the site", "", "POST", []string{"Origin", "null", "Content-Type", "text/plain"}, 403},
		{"an old browser, own form", "", "POST", []string{"Origin", origin, "Content-Type", "text/plain"}, 200},
		{"a front end behind a proxy that changes Host", "", "POST", []string{"Origin", "http://public.example", "X-Requested-With", "XMLHttpRequest"}, 200},
		{"the same with JSON", "", "POST", []string{"Origin", "http://public.example", "Content-Type", "application/json"}, 200},
		{"the allowed site", "http://public.example", "POST", []string{"Sec-Fetch-Site", "cross-site", "Origin", "http://public.example", "Content-Type", "text/plain"}, 200},
		{"not the allowed site", "http://public.example", "POST", []string{"Sec-Fetch-Site", "cross-site", "Origin", "http://evil.example", "Content-Type", "text/plain"}, 403},
		{"all sites allowed", "*", "PUT", []string{"Sec-Fetch-Site", "cross-site", "Origin", "http://a.example", "Content-Type", "application/json"}, 200},
		{"all sites allowed, but not unasked", "*", "POST", []string{"Sec-Fetch-Site", "cross-site", "Origin", "http://a.example", "Content-Type", "text/plain"}, 403},
	} {
		if w := ask(t, Guard(reached, tt.allowed), tt.method, host, tt.headers...); w.Code != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, w.Code, tt.want)
		}
	}
}
