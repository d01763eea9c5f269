package relay

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/serverlog"
)

/* When the disk fails
 *
 * 1. The store cannot write or sync (store/stall.go): fits is false from then on, on the owner loop too
 * 2. The session tells its members, and the log with a cure; whoever is refused something or joins is
 *    told again
 * 3. Chat, commands and operator lists go on: what does not fit is relayed without being stored, as in a
 *    session that is full (session.md §15); joins and leaves have a reserve in memory
 * 4. A write that succeeds again ends it; a failed sync lasts until the restart
 *
 * A session that is delivered ahead of its slow file goes on as usual; the
 * log says when it begins and ends.
 */

// stallLogEvery is the least time between two log entries about the same
// session being delivered ahead of its file.
const stallLogEvery = 30 * time.Second

// storage is what a session knows of the state of its files.
// Ownership: the session's owner loop.
type storage struct {
	err       error     // reported to the members; nil: it is stored
	size      int64     // of the history when that began
	told      bool      // the members know
	stalled   bool      // reported to the log
	stalledAt time.Time // last report
}

// storable reports whether the history may grow by ordinary messages, as far
// as the disk is concerned.
func (s *session) storable() bool { return s.hist.Err() == nil }

// checkStorage notices that the session cannot be stored any more, or can
// again, and tells everybody concerned.
func (s *session) checkStorage() {
	if s.state == stateShutdown || s.stopping {
		return
	}
	err := s.hist.Err()
	switch was := s.storage.err; {
	case err != nil && (was == nil || was.Error() != err.Error()):
		s.storage.err = err
		if was == nil {
			s.storage.size = s.hist.Log().Size()
		}
		s.record(serverlog.Error, serverlog.Status, nil, fmt.Sprintf("Cannot store the session: %s; %s", withoutFolder(err), storageCure(err)))
		s.warnAboutDisk()
	case err == nil && was != nil:
		s.storage.err = nil
		s.record(serverlog.Warn, serverlog.Status, nil, "The session is stored again")
		if s.storage.told {
			s.storage.told = false
			s.tellAll(alert("", "The server can store this session again. What was drawn meanwhile is missing for the others; "+
				"rejoin to see what was kept.", nil))
		}
	}
	s.checkStall()
}

// checkStall logs that the session is delivered ahead of its file, and when
// that ends.
func (s *session) checkStall() {
	x := &s.storage
	now := s.now()
	switch stalled := s.hist.Stalled(); {
	case stalled && !x.stalled && len(s.seats) > 0 && (x.stalledAt.IsZero() || now.Sub(x.stalledAt) >= stallLogEvery):
		x.stalled, x.stalledAt = true, now
		s.record(serverlog.Warn, serverlog.Status, nil, fmt.Sprintf("The disk is too slow: members are sent what is not in the "+
			"history file yet (%s); a crash now would lose it; look for what else keeps the disk busy", formatSize(s.hist.Backlog())))
	case !stalled && x.stalled:
		x.stalled = false
		s.record(serverlog.Warn, serverlog.Status, nil, "The history file has caught up")
	}
}

// refusedByDisk tells whoever is concerned that the message could not be
// stored: a joiner at once, all members every now and then.
func (s *session) refusedByDisk(msg []byte) {
	if frame.Type(msg[2]) == frame.TypeJoin {
		if st := s.byID[msg[3]]; st != nil {
			s.tell(st, s.storageAlert())
		}
		return
	}
	s.warnAboutDisk()
}

// warnAboutDisk tells everybody, unless they have just been told.
func (s *session) warnAboutDisk() {
	if now := s.now(); now.Sub(s.fullAt) >= fullEvery {
		s.fullAt, s.storage.told = now, true
		s.tellAll(s.storageAlert())
	}
}

func (s *session) storageAlert() frame.Object {
	return alert("", fmt.Sprintf("The server cannot store this session: %s. What you draw now is not kept and not shown to "+
		"the others; what was drawn before stays. Chat goes on.", storageReason(s.storage.err)), nil)
}

// storageReason says to members what is wrong, without names of files.
func storageReason(err error) string {
	for _, r := range storageReasons {
		if errors.Is(err, r.is) {
			return r.reason
		}
	}
	return "its disk does not work"
}

// storageCure says to the operator what to do.
func storageCure(err error) string {
	for _, r := range storageReasons {
		if errors.Is(err, r.is) {
			return r.cure
		}
	}
	return checkDisk
}

const checkDisk = "check the disk, then restart the server: what was synced before is safe"

var storageReasons = []struct {
	is           error
	reason, cure string
}{
	{store.ErrNoRoom, "its disk is almost full", "free some space on the disk of the sessions folder, the session then goes on by itself"},
	{syscall.ENOSPC, "its disk is full", "free some space on the disk of the sessions folder, the session then goes on by itself"},
	{syscall.EDQUOT, "its disk quota is used up", "free some space or raise the quota of the server's user, the session then goes on by itself"},
	{syscall.EFBIG, "its file has become too large", "reset the session, or raise the limit of file sizes of the server's user"},
	{syscall.EROFS, "its disk is read-only", "check why the file system was mounted read-only; " + checkDisk},
	{syscall.EIO, "its disk reports errors", checkDisk},
}

// withoutFolder is the text of an error without the folder of the file it is
// about: joiners are shown the session's log.
func withoutFolder(err error) string {
	text := err.Error()
	var p *fs.PathError
	if errors.As(err, &p) {
		text = strings.ReplaceAll(text, p.Path, filepath.Base(p.Path))
	}
	return text
}
