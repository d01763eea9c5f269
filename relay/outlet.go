package relay

// outlet is what the policy of a session may do with its transport side. The
// session's rules (who may say what, who hears it) are written against it and
// can be tested without sockets.
//
// Ownership: called by the session's owner loop only. Nothing here blocks.
type outlet interface {
	// append adds one or more whole messages to the history. They are
	// delivered to every member once they are stored, and replayed to joiners.
	// The bytes are copied. n is the number of messages in frames.
	append(frames []byte, n int)
	// direct queues one or more whole messages for one member, in order with
	// earlier direct messages. The bytes are copied. They reach the member at
	// the next boundary between batches of history.
	direct(s *seat, frames []byte)
	// broadcast queues the same whole messages directly for every member for
	// which keep returns true (nil = all). The bytes are copied once and shared.
	broadcast(frames []byte, keep func(*seat) bool)
	// setRunning starts or stops the delivery of history to all members. While
	// it is stopped direct messages still flow.
	setRunning(running bool)
	// current reports whether a direct message queued for the member now would
	// reach it after the newest message of the history.
	current(s *seat) bool
	// catchUp has a member count as catching up until it has been sent the
	// history as it is now.
	catchUp(s *seat)
	// catchingUp reports whether a member counts as catching up.
	catchingUp(s *seat) bool
	// skipToEnd moves a member's position to the end of the history, so that
	// it is not sent what is there already.
	skipToEnd(s *seat)
	pauser
	// detach tells a member to go: after what is queued directly, Disconnect
	// with reason and text is the last message, then the connection is closed.
	// The caller has already removed the seat from the session.
	detach(s *seat, reason uint8, text string)
	// leaveAlone has a member go on without the session: pings are answered and
	// what it draws comes back to it, so that it notices nothing (wire.md
	// §12.3). The caller has already removed the seat from the session.
	leaveAlone(s *seat)
	// abort closes the connection at once, without a message. The caller has
	// already removed the seat from the session.
	abort(s *seat)
	// offload runs work, which may block or compute for long, off the loop, and
	// then done on the owner loop, unless the session has ended by then. work
	// must not touch the session.
	offload(work, done func())
	// replace makes image, n whole messages, the history, on the disk before
	// anybody sees it. With from == startOver every member begins again at its
	// start; otherwise what the current history has from byte offset from on
	// follows the image, and members go on where they are, those who have not
	// come to from yet with the old history first. hist.FirstIndex becomes the
	// index after the last one of the old history.
	// For an ordinary reset the session is frozen already; otherwise the outlet
	// freezes it when it needs the history to keep still. done runs on the
	// owner loop: direct messages queued in it reach members who start over
	// before the new history does. If it gets an error, nothing has changed.
	replace(image [][]byte, n int, from int64, done func(error))
	// publish makes the session's changed description known to the directory.
	publish()
	// end is called once the session is over: all members have been detached.
	// remove says whether its files are to be deleted (or archived).
	end(remove bool)
}

// startOver is the from of replace for an ordinary reset.
const startOver = -1

// pauser is the part of an outlet that holds a member's input back.
type pauser interface {
	// pause stops reading from a member, or goes on. What has been read already
	// may still be handed to the session.
	pause(s *seat, paused bool)
}
