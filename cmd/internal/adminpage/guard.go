package adminpage

import (
	"net/http"
	"strings"
)

// forbidden is the answer to a request that another site made a browser send.
const forbidden = `{"status":"error","message":"Refused: the request comes from a page of another site"}`

// Guard protects the API behind it against requests that pages of other sites
// make a browser send. Browsers add remembered credentials to those as well, so
// the password alone does not stop them. Refused are requests that change
// something and
//
//   - say that they come from another site (Sec-Fetch-Site), or,
//   - where a browser does not say that, come from another origin than they go
//     to and could be sent without asking the server first: what has the header
//     X-Requested-With or a JSON body could not, nor anything but POST.
//
// Proxies that change the Host header are no obstacle to the known front ends,
// nor are programs that are no browsers. allowedOrigin, if not empty, is the
// other origin that may do everything (--web-admin-allowed-origin); with "*"
// only what could be sent without asking is refused.
func Guard(next http.Handler, allowedOrigin string) http.Handler {
	protection := http.NewCrossOriginProtection()
	anyOrigin := allowedOrigin == "*"
	if allowedOrigin != "" && !anyOrigin {
		// One that is no origin matches no browser's; others lose nothing.
		_ = protection.AddTrustedOrigin(allowedOrigin)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		told := r.Header.Get("Sec-Fetch-Site") != "" && !anyOrigin
		if err := protection.Check(r); err != nil && (told || simple(r)) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(forbidden)) // whoever left does not care
			return
		}
		next.ServeHTTP(w, r)
	})
}

// simple reports whether a browser sends such a request to another origin
// without asking it first.
func simple(r *http.Request) bool {
	return r.Method == http.MethodPost && r.Header.Get("X-Requested-With") == "" &&
		!strings.HasPrefix(strings.ToLower(r.Header.Get("Content-Type")), "application/json")
}
