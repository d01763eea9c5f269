package relay

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"drawrelay/frame"
	"drawrelay/store/serverlog"
)

/* Chat of an administrator with a session (admin-api.md §4.6)
 *
 * While it is connected, what members say and what administrators say to them
 * is kept for the administrator, who asks for it by offset. It ends when the
 * administrator says so, or has not asked for longer than the time-out.
 */

const (
	// chatEntries is how many messages are kept for the administrator.
	chatEntries = 1024
	// chatBytes bounds the text of them, bytes: an administrator who asks
	// every few seconds gets everything even from people who paste novels.
	chatBytes = 1 << 20

	// Bounds of the time-out.
	MinChatTimeout     = 30 * time.Second
	MaxChatTimeout     = 15 * time.Minute
	DefaultChatTimeout = 5 * time.Minute
)

// ChatMessage is something said in a session. User is 0 for an administrator's.
type ChatMessage struct {
	User  uint8
	Name  string
	Text  string
	Flags uint8 // opaque flags of the message: 1 shout, 2 action, 4 pin, 8 alert
}

// adminChat is what is kept for the administrator.
// Ownership: the session's owner loop.
type adminChat struct {
	base     int64 // offset of the first entry
	entries  []ChatMessage
	bytes    int
	timeout  time.Duration
	deadline time.Time
}

// ChatState is how far an administrator's chat is.
type ChatState struct {
	Offset    int64 // of the first message kept
	Count     int   // messages kept
	Timeout   time.Duration
	Remaining time.Duration // until it ends by itself
}

func (c *adminChat) add(m ChatMessage) {
	c.entries = append(c.entries, m)
	c.bytes += len(m.Text)
	drop := 0
	for len(c.entries)-drop > chatEntries || c.bytes > chatBytes && len(c.entries)-drop > 1 {
		c.bytes -= len(c.entries[drop].Text)
		c.entries[drop] = ChatMessage{}
		drop++
	}
	c.entries = c.entries[drop:]
	c.base += int64(drop)
}

// since returns the messages from offset on and the offset of the first of
// them, which is higher if what was asked for is not kept any more.
func (c *adminChat) since(offset int64) ([]ChatMessage, int64) {
	offset = max(offset, c.base)
	at := min(offset-c.base, int64(len(c.entries)))
	return slices.Clone(c.entries[at:]), offset
}

// hearChat keeps what a member says, if anybody listens.
func (s *session) hearChat(st *seat, c frame.Chat) {
	if s.adminChat == nil {
		return
	}
	m := ChatMessage{User: st.id, Name: st.person.Name, Text: strings.ToValidUTF8(string(c.Text), "\ufffd"), Flags: c.Opaque}
	s.adminChat.add(m)
	s.record(serverlog.Info, serverlog.AdminChat, st, m.Text)
}

// sayAsAdmin keeps what an administrator has said, if a chat is connected.
func (s *session) sayAsAdmin(text string) {
	if s.adminChat == nil {
		return
	}
	s.adminChat.add(ChatMessage{Text: text})
	s.record(serverlog.Info, serverlog.AdminChat, nil, text)
}

func (s *session) restartChatTimer() {
	s.adminChat.deadline = s.now().Add(s.adminChat.timeout)
}

// tickChat ends a chat that nobody asks for any more.
func (s *session) tickChat(now time.Time) {
	if s.adminChat != nil && now.After(s.adminChat.deadline) {
		s.adminChat = nil
		s.event(serverlog.Info, serverlog.Leave, nil, "Administrator disconnected from chat (timeout)")
	}
}

func (s *session) chatState() *ChatState {
	c := s.adminChat
	if c == nil {
		return nil
	}
	return &ChatState{Offset: c.base, Count: len(c.entries), Timeout: c.timeout, Remaining: max(c.deadline.Sub(s.now()), 0)}
}

// Errors of an administrator's chat.
var (
	ErrChatConnected    = errors.New("Chat already connected")
	ErrChatNotConnected = errors.New("Chat not connected")
	ErrMessageTooLong   = errors.New("Message too long")
	ErrAlertTooLong     = errors.New("Alert too long")
)

// ConnectChat connects a chat with session id, says message to its members and
// returns everything said so far. The timeout must be within its bounds. Any
// goroutine but a loop's, as all of these.
func (s *Server) ConnectChat(ctx context.Context, id, message string, timeout time.Duration) (said []ChatMessage, offset int64, err error) {
	gone := s.consult(ctx, id, func(x *session) {
		if x.adminChat != nil {
			x.restartChatTimer()
			err = ErrChatConnected
			return
		}
		if !x.alertAll(message) {
			err = ErrMessageTooLong
			return
		}
		x.event(serverlog.Info, serverlog.Join, nil, "Administrator connected to chat")
		x.adminChat = &adminChat{timeout: timeout}
		x.restartChatTimer()
		x.sayAsAdmin(message)
		said, offset = x.adminChat.since(0)
	})
	if gone != nil {
		return nil, 0, gone
	}
	return said, offset, err
}

// ChatSince returns what was said from offset on, after saying message to the
// members unless it is empty.
func (s *Server) ChatSince(ctx context.Context, id, message string, offset int64) (said []ChatMessage, at int64, err error) {
	gone := s.consult(ctx, id, func(x *session) {
		if x.adminChat == nil {
			err = ErrChatNotConnected
			return
		}
		x.restartChatTimer()
		said, at, err = x.sayAndHear(message, offset)
	})
	if gone != nil {
		return nil, 0, gone
	}
	return said, at, err
}

// DisconnectChat is ChatSince and then the end of the chat.
func (s *Server) DisconnectChat(ctx context.Context, id, message string, offset int64) (said []ChatMessage, at int64, err error) {
	gone := s.consult(ctx, id, func(x *session) {
		if x.adminChat == nil {
			err = ErrChatNotConnected
			return
		}
		if said, at, err = x.sayAndHear(message, offset); err != nil {
			return
		}
		x.adminChat = nil
		x.event(serverlog.Info, serverlog.Leave, nil, "Administrator disconnected from chat")
	})
	if gone != nil {
		return nil, 0, gone
	}
	return said, at, err
}

func (s *session) sayAndHear(message string, offset int64) ([]ChatMessage, int64, error) {
	if message != "" {
		if !s.alertAll(message) {
			return nil, 0, ErrMessageTooLong
		}
		s.sayAsAdmin(message)
	}
	said, at := s.adminChat.since(offset)
	return said, at, nil
}

// alertAll sends a text as an alert to all members; it reports false if it does
// not fit into a message.
func (s *session) alertAll(text string) bool { return s.tellAll(alert("", text, nil)) }
