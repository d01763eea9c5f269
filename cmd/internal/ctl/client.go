// Package ctl is the shell's way to a running server: commands that go through
// the admin API on its Unix socket.
package ctl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

const (
	// answerTimeout bounds one call. The slowest on the server is looking at
	// changed files.
	answerTimeout = 20 * time.Second
	// maxAnswer bounds one answer in bytes: thousands of sessions of 254
	// members fit.
	maxAnswer = 64 << 20
)

// client calls the API on a socket.
type client struct {
	socket string
	http   *http.Client
}

func newClient(socket string) *client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	return &client{socket, &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}, Timeout: answerTimeout}}
}

// refusal is an answer that is no success.
type refusal struct {
	status  int
	message string
}

func (r *refusal) Error() string { return r.message }

// api calls the admin API. path are its parts behind /api; query may be nil;
// body is sent as JSON if not nil. The answer is decoded into into if not nil.
func (c *client) api(method string, path []string, query url.Values, body, into any) error {
	escaped := make([]string, len(path))
	for i := range path {
		escaped[i] = url.PathEscape(path[i])
	}
	address := "/api/" + strings.Join(escaped, "/")
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	return c.call(method, address, body, into)
}

func (c *client) call(method, address string, body, into any) error {
	var sent io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("encode the request: %w", err)
		}
		sent = bytes.NewReader(b)
	}
	// The host name is only for the form of the request.
	r, err := http.NewRequest(method, "http://drawpile-srv"+address, sent)
	if err != nil {
		return fmt.Errorf("make the request: %w", err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return c.unreachable(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("read the server's answer: %w", err)
	case len(text) > maxAnswer:
		return fmt.Errorf("the server's answer is longer than %d bytes", maxAnswer)
	case answer.StatusCode/100 != 2:
		return refused(answer, text)
	case into == nil:
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("the server's answer is not the expected JSON: %w", err)
	}
	return nil
}

func refused(answer *http.Response, text []byte) error {
	var said struct{ Message, Error string }
	_ = json.Unmarshal(text, &said) // what is no JSON says nothing
	message := said.Message
	if message == "" {
		message = said.Error
	}
	if message == "" {
		message = "the server answered " + answer.Status
	}
	return &refusal{answer.StatusCode, message}
}

// unreachable says in words why there is no connection, and what to do.
func (c *client) unreachable(err error) error {
	var temporary net.Error
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no socket %s; start the server with --web-admin-socket %s, or name its socket with --socket", c.socket, c.socket)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("no permission to use %s; run this as the account of the server", c.socket)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("no server answers at %s; is it running?", c.socket)
	case errors.As(err, &temporary) && temporary.Timeout():
		return fmt.Errorf("the server at %s did not answer within %v", c.socket, answerTimeout)
	}
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err
	}
	return fmt.Errorf("ask the server at %s: %w", c.socket, err)
}
