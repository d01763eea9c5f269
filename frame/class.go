package frame

// Type is the number of a message type (wire.md §5).
type Type uint8

// Message types the server understands or produces. All others from 64 on are
// opaque: relayed, never interpreted.
const (
	TypeServerCommand Type = 0
	TypeDisconnect    Type = 1
	TypePing          Type = 2
	TypeKeepAlive     Type = 3
	TypeThumbnail     Type = 4
	TypeInternal      Type = 31

	TypeJoin         Type = 32
	TypeLeave        Type = 33
	TypeSessionOwner Type = 34
	TypeChat         Type = 35
	TypeTrustedUsers Type = 36
	TypeSoftReset    Type = 37
	TypePrivateChat  Type = 38
	TypeResetStream  Type = 39

	TypeInterval      Type = 64
	TypeLaserTrail    Type = 65
	TypeMovePointer   Type = 66
	TypeUserACL       Type = 68
	TypeLayerACL      Type = 69
	TypeFeatureAccess Type = 70
	TypeDefaultLayer  Type = 71
	typeExtension     Type = 73 // reserved, without a layout
	TypeUndoDepth     Type = 74
	TypeData          Type = 75
	TypeLocalChange   Type = 76
	TypeFeatureLimits Type = 77

	TypeUndoPoint Type = 128
	TypeResize    Type = 129
	TypeUndo      Type = 255
)

// Class says how the server treats a type (wire.md §4).
type Class uint8

const (
	ClassControl    Class = iota // 0..31: consumed, never relayed
	ClassServerMeta              // 32..63: decoded, each with its own rule
	ClassClientMeta              // 64..127: opaque, relayed
	ClassCommand                 // 128..255: opaque, relayed, counts as drawing
)

// Boundaries between the classes.
const (
	FirstOpaque  Type = 64  // payloads from here on are never inspected
	FirstCommand Type = 128 // types from here on are drawing activity
)

// Class returns the class of t.
func (t Type) Class() Class {
	switch {
	case t >= FirstCommand:
		return ClassCommand
	case t >= FirstOpaque:
		return ClassClientMeta
	case t >= 32:
		return ClassServerMeta
	}
	return ClassControl
}

// Opaque reports whether the server relays t without looking into it.
func (t Type) Opaque() bool { return t >= FirstOpaque }

// limits are the payload lengths a decodable type below 64 may have
// (wire.md §6).
type limits struct {
	known    bool
	min, max uint16
}

var lowLimits = [FirstOpaque]limits{
	TypeServerCommand: {true, 0, MaxPayload},
	TypeDisconnect:    {true, 1, MaxPayload},
	TypePing:          {true, 1, 1},
	TypeKeepAlive:     {true, 0, MaxPayload}, // discarded before validation (wire.md §4)
	TypeThumbnail:     {true, 0, MaxPayload},
	TypeJoin:          {true, 2, MaxPayload},
	TypeLeave:         {true, 0, 0},
	TypeSessionOwner:  {true, 0, 255},
	TypeChat:          {true, 2, MaxPayload},
	TypeTrustedUsers:  {true, 0, 255},
	TypeSoftReset:     {true, 0, 0},
	TypePrivateChat:   {true, 2, MaxPayload},
	TypeResetStream:   {true, 0, MaxPayload},
}

// Check applies the decoding rules for data received from a client: opaque
// types are always accepted, known types below 64 must keep their length
// limits, every other type is bad data. It returns nil or ErrMalformed.
func Check(m Msg) error {
	if m.Type.Opaque() {
		return nil
	}
	l := &lowLimits[m.Type]
	if !l.known || len(m.Body) < int(l.min) || len(m.Body) > int(l.max) {
		return ErrMalformed
	}
	if m.Type == TypeJoin && 2+int(m.Body[1]) > len(m.Body) {
		return ErrMalformed
	}
	return nil
}

// Stored reports whether a message of this type and body belongs into the
// history when it reaches a session (wire.md §5, column H). Of Join, Leave and
// SoftReset only the server's own are: the caller drops those of clients.
// ServerCommands that the server stores are not covered either.
func Stored(m Msg) bool {
	switch m.Type {
	case TypeChat:
		return len(m.Body) > 0 && m.Body[0]&ChatBypass == 0
	case TypePrivateChat, TypeResetStream:
		return false
	}
	return m.Type >= 32
}

// String returns the name of a 2.3 message type as it stands in text recordings
// and log messages, or "unknown" for types without one (wire.md §5).
func (t Type) String() string {
	switch t {
	case TypeInternal:
		return "internal"
	case typeExtension:
		return "extension"
	}
	return schemas()[1].Name(t)
}
