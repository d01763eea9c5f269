package desktop

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	// secretSize is the length of link and cookie secrets in bytes.
	secretSize = 32
	// linkTime is how long the link that opens the page may be used, once: a
	// browser needs seconds to start, and other accounts of the machine can
	// see the link among the running programs.
	linkTime = time.Minute
	// cookieTime is how long a browser stays known, while this process runs.
	cookieTime = 30 * 24 * time.Hour
)

// linkPath is where the link that opens the page leads; stopPath is where the
// page ends the program.
const (
	linkPath = "/open"
	stopPath = "/desktop/stop"
)

// Door lets one browser through to the admin page and API: the one that was
// opened with the link. Everybody else on this machine can reach the port, so
// nothing is answered without the cookie that the link is exchanged for. The
// cookie is not sent along with requests of other sites (SameSite), changes are
// refused if the browser says that they come from one, and only requests to the
// loopback address by its number are answered, which keeps sites out that make
// their own name point here.
//
// Safe for any goroutine.
type Door struct {
	next http.Handler
	stop func() // ends the program, in the end; may be called more than once
	kind string // tells the page what it would stop: "server" or "connection"
	port string
	now  func() time.Time

	cookie string // secret of the browser that was let in

	mu    sync.Mutex
	link  string    // secret of the link; empty = used
	until time.Time // end of the link
}

// NewDoor returns the door to next, for a listener on loopback. The page offers
// to stop the program, which it calls a server or only a connection to one: it
// has no window that could be closed.
func NewDoor(next http.Handler, kind string, stop func(), listener net.Listener, now func() time.Time) *Door {
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		panic("internal error: the admin page's listener has no port")
	}
	d := &Door{stop: stop, kind: kind, port: port, now: now, cookie: secret()}
	inside := http.NewServeMux()
	inside.Handle("/", next)
	inside.HandleFunc("POST "+stopPath, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
		d.stop()
	})
	d.next = http.NewCrossOriginProtection().Handler(inside)
	return d
}

func secret() string {
	b := make([]byte, secretSize)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// Address is where the page is, without the secret.
func (d *Door) Address() string { return "http://127.0.0.1:" + d.port + "/" }

// Link makes the link that lets a browser in, for one use within a minute. An
// older one loses its use. It is a secret: never log it.
func (d *Door) Link() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.link, d.until = secret(), d.now().Add(linkTime)
	return "http://127.0.0.1:" + d.port + linkPath + "?token=" + d.link
}

// use reports whether token is the one of the link, which it uses up.
func (d *Door) use(token string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.link == "" || !d.now().Before(d.until) || !equal(token, d.link) {
		return false
	}
	d.link = ""
	return true
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// cookieName has the port in it: cookies are shared by all ports of a host.
func (d *Door) cookieName() string { return "drawpile-admin-" + d.port }

// ServeHTTP lets requests through or refuses them.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Host != "127.0.0.1:"+d.port {
		refuse(w, http.StatusMisdirectedRequest, "Open "+d.Address()+" instead.")
		return
	}
	if r.URL.Path == linkPath && r.Method == http.MethodGet {
		d.open(w, r)
		return
	}
	if c, err := r.Cookie(d.cookieName()); err != nil || !equal(c.Value, d.cookie) {
		refuse(w, http.StatusForbidden, "Only the browser that the server has opened may come in. Start the server again to open one.")
		return
	}
	d.next.ServeHTTP(w, r)
}

func (d *Door) open(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	if !d.use(r.URL.Query().Get("token")) {
		refuse(w, http.StatusForbidden, "This link was used already, or is too old. If it was not you who used it, stop the server.")
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: d.cookieName(), Value: d.cookie, Path: "/", MaxAge: int(cookieTime / time.Second),
		HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
	// Not a secret: the page reads it to offer the end of the program.
	http.SetCookie(w, &http.Cookie{
		Name: "drawpile-desktop-" + d.port, Value: d.kind, Path: "/", MaxAge: int(cookieTime / time.Second), SameSite: http.SameSiteStrictMode,
	})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// refuse answers with a text for people.
func refuse(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(text)+1))
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n")) // whoever left does not care
}
