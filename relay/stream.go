package relay

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"drawrelay/frame"
	"drawrelay/store/serverlog"
)

/* Streamed reset (session.md §17)
 *
 * 1. startStream    the chosen operator begins; the fork is marked in the history
 * 2. resetStream    pieces of the compressed image arrive and are unpacked off the loop; drawing goes on
 * 3. finishStream   the image is whole
 * 4. resolved       image and what was drawn since the fork are the new history; members go on where they
 *                   are, joiners get the image
 *
 * Members who lag need not be waited for (session.md §17.5): the outlet lets
 * them finish the old history up to the fork first.
 */

// stream is a streamed reset.
type stream struct {
	st    *seat
	fork  int64  // byte offset in the history behind the start messages
	head  []byte // server state at the fork
	heads int    // messages in head
	index int64  // of the history at the fork, messages
	// unpacked bytes and messages so far; the unpacker's own are not for the loop.
	unpacked int64
	messages int
	unpacker *unpacker
	prepared bool // complete; waits for the switch
}

// Reasons for refusing parts of a streamed reset, as they stand in the log.
const (
	reasonOutOfSpace = "the session is out of space"
	reasonConsumer   = "a stream consumer error occurred"
)

// startStream is stream-reset-start.
func (s *session) startStream(st *seat, c frame.Command) error {
	if len(c.Args) != 1 {
		return errors.New("Stream reset start expected one argument: correlator")
	}
	prefix := fmt.Sprintf("User %d tried to start stream reset, ", st.id)
	refuse := func(topic serverlog.Topic, text string) {
		s.event(serverlog.Warn, topic, nil, prefix+text)
	}
	switch {
	case s.auto.status != autoresetRequested:
		refuse(serverlog.RuleBreak, fmt.Sprintf("but session is in state %d", s.auto.status))
		return errors.New("invalid session state")
	case st.reset&(resetAwaiting|resetStreaming) != resetAwaiting|resetStreaming:
		refuse(serverlog.RuleBreak, "but we're not waiting for a streamed reset from them")
		return errors.New("invalid user")
	case st.person.Ghost():
		refuse(serverlog.RuleBreak, "but isn't an operator")
		s.nextResetter()
		return errors.New("invalid user")
	case frame.Str(c.Args[0]) != s.auto.payload:
		refuse(serverlog.RuleBreak, "with a correlator not matching payload")
		s.nextResetter()
		return errors.New("invalid correlator")
	case s.stream != nil:
		refuse(serverlog.Status, "but it's already started")
		return errors.New("already started")
	}
	start := frame.AppendSoftReset(nil)
	start, _ = frame.AppendReply(start, st.id, frame.Object{"type": "sstart", "correlator": s.auto.payload})
	if !s.fits(len(start)) {
		refuse(serverlog.Status, "but "+reasonOutOfSpace)
		s.nextResetter()
		return errors.New("out of space")
	}
	s.out.append(start, 2)
	s.size.Store(s.hist.Log().Size())
	head, heads := s.stateMessages()
	s.stream = &stream{st: st, fork: s.hist.Log().Size(), index: s.hist.LastIndex() + 1, head: head, heads: heads, unpacker: newUnpacker(st.id, s.imageLimit())}
	st.reset = resetStreaming
	s.auto.deadline = s.now().Add(resetterTime)
	s.event(serverlog.Info, serverlog.Status, nil,
		fmt.Sprintf("User %d started stream reset (fork pos %d, stream pos %d)", st.id, s.stream.fork, 0))
	return nil
}

// progress answers a piece: go on, or stop.
func (s *session) progress(st *seat, cancel bool) {
	s.tell(st, frame.Object{"type": "sprogress", "cancel": cancel})
}

// resetStream takes a piece of a streamed image. Each is answered exactly
// once; the sender's next messages wait for it.
func (s *session) resetStream(st *seat, chunk []byte) {
	x := s.stream
	if reason := s.notStreaming(st); reason != "" {
		s.refuseChunk(st, reason)
		return
	}
	s.auto.deadline = s.now().Add(resetterTime)
	chunk = bytes.Clone(chunk)
	s.slow(st, func(done func()) {
		var err error
		s.offload(func() { err = x.unpacker.feed(chunk) }, func() {
			switch {
			case s.stream != x:
				s.refuseChunk(st, s.notStreaming(st)) // aborted meanwhile
			case err != nil:
				s.dropStream()
				s.refuseChunk(st, unpackReason(err))
				s.nextResetter()
			default:
				x.unpacked, x.messages = x.unpacker.size, x.unpacker.count
				s.progress(st, false)
			}
			done()
		})
	})
}

// streaming reports whether an image is being streamed, and st is who does it.
func (s *session) streaming(st *seat) (active, own bool) {
	active = s.stream != nil && !s.stream.prepared
	return active, active && s.stream.st == st
}

// notStreaming says why st cannot add to a streamed reset, "" if it can.
func (s *session) notStreaming(st *seat) string {
	switch active, own := s.streaming(st); {
	case !active:
		return "no stream is active"
	case !own:
		return "they're not the one tasked to do it"
	}
	return ""
}

// ownStream returns the streamed reset that st is at, or what to answer if it
// cannot finish or abort one; refuse logs why.
func (s *session) ownStream(st *seat, refuse func(reason string)) (*stream, error) {
	switch active, own := s.streaming(st); {
	case !active:
		refuse("none is active")
		return nil, errors.New("no stream reset active")
	case !own:
		refuse("isn't the one performing it")
		return nil, errors.New("invalid user")
	}
	return s.stream, nil
}

func (s *session) refuseChunk(st *seat, reason string) {
	s.event(serverlog.Warn, serverlog.Status, nil, fmt.Sprintf("User %d tried to add a stream reset message, but %s", st.id, reason))
	s.progress(st, true)
}

func unpackReason(err error) string {
	switch {
	case errors.Is(err, errIllegalImage):
		return "of an illegal message in the reset image"
	case errors.Is(err, errImageTooLarge):
		return reasonOutOfSpace
	}
	return reasonConsumer + ": " + err.Error()
}

// finishStream is stream-reset-finish.
func (s *session) finishStream(st *seat, c frame.Command) error {
	if len(c.Args) != 1 {
		return errors.New("Stream reset finish expected one argument: message count")
	}
	count := frame.Int(c.Args[0])
	refuse := func(reason string) {
		s.event(serverlog.Warn, serverlog.Status, nil,
			fmt.Sprintf("User %d tried to finish stream reset with %d messages, but %s", st.id, count, reason))
	}
	x, err := s.ownStream(st, refuse)
	if err != nil {
		return err
	}
	s.slow(st, func(done func()) {
		var err error
		s.offload(func() { err = x.unpacker.finish() }, func() {
			answer, reason := "", ""
			switch {
			case s.stream != x:
				answer, reason = "no stream reset active", "none is active"
			case err != nil:
				answer, reason = "stream consumer error", reasonConsumer+": "+err.Error()
			case count == 0 || count != x.unpacker.count:
				answer, reason = "invalid message count", fmt.Sprintf("the actual message count is %d", x.unpacker.count)
			}
			if answer != "" {
				refuse(reason)
				s.commandError(st, c.Name, answer)
				if s.stream == x {
					s.dropStream()
					s.nextResetter()
				}
			} else {
				s.resolveStream(x)
			}
			done()
		})
	})
	return nil
}

// abortStream is stream-reset-abort.
func (s *session) abortStream(st *seat, c frame.Command) error {
	if len(c.Args) != 0 {
		return errors.New("Stream reset abort expected no arguments")
	}
	refuse := func(reason string) {
		s.event(serverlog.Warn, serverlog.Status, nil, fmt.Sprintf("User %d tried to abort stream reset, but %s", st.id, reason))
	}
	if _, err := s.ownStream(st, refuse); err != nil {
		return err
	}
	s.dropStream()
	s.event(serverlog.Info, serverlog.Status, nil, fmt.Sprintf("User %d aborted stream reset", st.id))
	s.nextResetter()
	return nil
}

// dropStream forgets a streamed reset.
func (s *session) dropStream() {
	if x := s.stream; x != nil {
		s.stream = nil
		s.out.offload(x.unpacker.close, func() {})
	}
}

// resolveStream puts the streamed image in the place of the history up to the
// fork.
func (s *session) resolveStream(x *stream) {
	x.prepared = true
	for _, st := range s.seats {
		st.reset = 0
	}
	s.auto.chosen, s.auto.deadline = nil, time.Time{}
	s.event(serverlog.Info, serverlog.Status, nil, fmt.Sprintf("User %d prepared streamed reset", x.st.id))
	end := s.markerWithoutIndex()
	total := int64(len(x.head)+len(end)) + x.unpacker.size + s.hist.Log().Size() - x.fork
	if limit := s.limit(); limit > 0 && total > limit {
		s.event(serverlog.Warn, serverlog.Status, nil,
			fmt.Sprintf("Error resolving streamed reset: total size %d exceeds limit %d", total, limit))
		s.dropStream()
		s.clearAutoreset(autoresetRetry)
		return
	}
	s.replacing = true
	before := s.hist.Log().Size()
	s.out.replace([][]byte{x.head, x.unpacker.image, end}, x.heads+x.unpacker.count+1, x.fork,
		func(err error) { s.resolved(x, before, err) })
}

// markerWithoutIndex is the end marker of a reset image.
func (s *session) markerWithoutIndex() []byte {
	msg, _ := frame.AppendReply(nil, 0, frame.Object{"type": "caughtup", "key": 0})
	return msg
}

// resolved follows the switch to the new history.
func (s *session) resolved(x *stream, before int64, err error) {
	s.replacing = false
	s.stream = nil
	if err != nil {
		s.event(serverlog.Warn, serverlog.Status, nil, "Error resolving streamed reset: a write error occurred")
		s.record(serverlog.Error, serverlog.Status, nil, "Streamed reset failed: "+err.Error())
		s.clearAutoreset(autoresetRetry)
		s.thaw()
		return
	}
	base := s.resetBase
	s.resetBase = x.unpacker.size
	s.size.Store(s.hist.Log().Size())
	s.event(serverlog.Info, serverlog.Status, nil, fmt.Sprintf(
		"Resolved streamed reset after prepare with offset %d (size %d => %d, autoreset threshold base %d => %d)",
		s.hist.Log().Count(), before, s.hist.Log().Size(), base, s.resetBase))
	s.clearAutoreset(0)
	s.sendStatus(false)
	s.announceConf()
	s.thaw()
}
