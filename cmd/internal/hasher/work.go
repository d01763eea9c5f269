package hasher

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"

	"drawrelay/store/password"
)

// request is a password to check, or to hash if nothing is stored. Passwords
// are bytes, because they need not be text.
type request struct {
	Stored   []byte `json:"stored,omitempty"`
	Password []byte `json:"password"`
	Hurry    bool   `json:"hurry,omitempty"`
}

type answer struct {
	Right bool   `json:"right,omitempty"`
	Hash  string `json:"hash,omitempty"`
	Error string `json:"error,omitempty"`
}

func (a answer) failed() error {
	if a.Error != "" {
		return errors.New(a.Error)
	}
	return nil
}

func (q request) work() (a answer) {
	if len(q.Stored) > 0 {
		a.Right = password.Check(string(q.Stored), string(q.Password))
		return a
	}
	var err error
	if a.Hash, err = password.Hash(string(q.Password)); err != nil {
		a.Error = err.Error()
	}
	return a
}

// Work is what the processes do: it answers requests from in on out until in
// ends, one JSON value each. The first request decides its priority.
func Work(in io.Reader, out io.Writer) error {
	requests, answers := json.NewDecoder(in), json.NewEncoder(out)
	for first := true; ; first = false {
		var q request
		if err := requests.Decode(&q); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read a request for a password hash: %w", err)
		}
		if first {
			lowerPriority(q.Hurry)
		}
		if err := answers.Encode(q.work()); err != nil {
			return fmt.Errorf("answer a request for a password hash: %w", err)
		}
		runtime.GC() // so that the next hash takes the place of this one
	}
}
