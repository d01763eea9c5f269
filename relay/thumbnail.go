package relay

import (
	"bytes"
	"errors"
	"fmt"
	"sync/atomic"

	"drawrelay/frame"
	"drawrelay/store/serverlog"
)

// thumbnailCount numbers the requests of the process.
var thumbnailCount atomic.Int64

// thumbnailRequest is a picture of the canvas that a member was asked for
// (session.md §24).
type thumbnailRequest struct {
	st         *seat
	correlator string
}

// requestThumbnail asks a member for a picture of the canvas. It reports false
// if it cannot make one, or was asked already. An outstanding request to
// somebody else is given up.
func (s *session) requestThumbnail(st *seat, o ThumbnailOptions) bool {
	if st.gone || !st.person.Thumbnail || s.thumb != nil && s.thumb.st == st {
		return false
	}
	s.thumb = &thumbnailRequest{st, fmt.Sprintf("%x:%x", thumbnailCount.Add(1)-1, s.now().UnixMilli())}
	line := "Thumbnail generation started (no reason given)"
	if o.Reason != "" {
		line = "Thumbnail generation started, reason: " + o.Reason
	}
	s.event(serverlog.Info, serverlog.Status, st, line)
	v := frame.Object{"type": "thumbnail", "correlator": s.thumb.correlator}
	for key, n := range map[string]int{"maxWidth": o.MaxWidth, "maxHeight": o.MaxHeight, "quality": o.Quality} {
		if n > 0 {
			v[key] = n
		}
	}
	if o.Format != "" {
		v["format"] = o.Format
	}
	s.tell(st, v)
	return true
}

// cancelThumbnail gives up an outstanding request.
func (s *session) cancelThumbnail() {
	if s.thumb != nil {
		s.event(serverlog.Info, serverlog.Status, s.thumb.st, "Thumbnail generation cancelled")
		s.thumb = nil
	}
}

// thumbnail takes a picture that a member has made.
func (s *session) thumbnail(st *seat, b []byte) {
	switch {
	case s.thumb == nil || s.thumb.st != st:
		s.event(serverlog.Warn, serverlog.Status, st, "Got thumbnail from user we didn't want it from")
		return
	case !bytes.HasPrefix(b, []byte(s.thumb.correlator)):
		s.event(serverlog.Warn, serverlog.Status, st, "Got thumbnail with correlator we weren't waiting on")
		return
	}
	image := bytes.Clone(b[len(s.thumb.correlator):])
	s.thumb = nil
	if len(image) == 0 {
		s.event(serverlog.Warn, serverlog.Status, st, "Got thumbnail with no data")
		return
	}
	var err error
	s.offload(func() { err = s.hist.SetThumbnail(image) }, func() {
		if err != nil {
			s.record(serverlog.Error, serverlog.Status, st, "Thumbnail write error: "+err.Error())
			return
		}
		s.event(serverlog.Info, serverlog.Status, st, "Thumbnail set")
	})
}

// thumbnailError is a member's answer that it cannot make a picture.
func (s *session) thumbnailError(st *seat, c frame.Command) error {
	if len(c.Args) != 2 {
		return errors.New("Thumbnail error expected 2 arguments: correlator, error")
	}
	correlator := frame.Str(c.Args[0])
	if s.thumb != nil && s.thumb.st == st && (correlator == "" || correlator == s.thumb.correlator) {
		s.thumb = nil
		s.event(serverlog.Warn, serverlog.Status, st, "Thumbnail generation failed: "+frame.Str(c.Args[1]))
	}
	return nil
}
