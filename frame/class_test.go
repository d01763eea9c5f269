package frame

import (
	"errors"
	"testing"
)

// TestCheck has the length limits of wire.md §6, those of types without any
// (§4), and items 7, 8, 9 and 11 of §19.
func TestCheck(t *testing.T) {
	for _, c := range []struct {
		t          Type
		good, evil []int // payload lengths; payloads are zeros
	}{
		{TypeServerCommand, []int{0, 1, MaxPayload}, nil},
		{TypeDisconnect, []int{1, 2, MaxPayload}, []int{0}},
		{TypePing, []int{1}, []int{0, 2, MaxPayload}},
		{TypeKeepAlive, []int{0, 1, MaxPayload}, nil},
		{TypeThumbnail, []int{0, 1, MaxPayload}, nil},
		{TypeJoin, []int{2, 3, MaxPayload}, []int{0, 1}},
		{TypeLeave, []int{0}, []int{1, MaxPayload}},
		{TypeSessionOwner, []int{0, 1, 255}, []int{256, MaxPayload}},
		{TypeChat, []int{2, 3, MaxPayload}, []int{0, 1}},
		{TypeTrustedUsers, []int{0, 1, 255}, []int{256, MaxPayload}},
		{TypeSoftReset, []int{0}, []int{1, MaxPayload}},
		{TypePrivateChat, []int{2, 3, MaxPayload}, []int{0, 1}},
		{TypeResetStream, []int{0, 1, MaxPayload}, nil},
	} {
		for _, n := range c.good {
			if err := Check(Msg{Type: c.t, Body: make([]byte, n)}); err != nil {
				t.Errorf("%v with %d bytes: %v", c.t, n, err)
			}
		}
		for _, n := range c.evil {
			if err := Check(Msg{Type: c.t, Body: make([]byte, n)}); !errors.Is(err, ErrMalformed) {
				t.Errorf("%v with %d bytes: got %v, want ErrMalformed", c.t, n, err)
			}
		}
	}
}

// TestCheckTypes goes through all type numbers: those without a meaning are
// bad data below 64 and relayed from there on (item 6 of wire.md §19).
func TestCheckTypes(t *testing.T) {
	for n := range 256 {
		typ := Type(n)
		opaque := n >= 64
		if typ.Opaque() != opaque {
			t.Errorf("Opaque(%d) = %v", n, typ.Opaque())
		}
		unknown := n >= 5 && n <= 31 || n >= 40 && n <= 63
		for _, size := range []int{0, 1, 2, 300, MaxPayload} {
			err := Check(Msg{Type: typ, Body: make([]byte, size)})
			if opaque && err != nil {
				t.Errorf("type %d with %d bytes: %v", n, size, err)
			}
			if unknown && !errors.Is(err, ErrMalformed) {
				t.Errorf("type %d with %d bytes: got %v, want ErrMalformed", n, size, err)
			}
		}
	}
}

func TestCheckJoin(t *testing.T) {
	for _, c := range []struct {
		body string
		err  error
	}{
		{"0100", nil},
		{"0103626f62", nil},
		{"0103626f6289504e47", nil},
		{"0104626f62", ErrMalformed},
		{"00ff", ErrMalformed},
		{"0001", ErrMalformed},
	} {
		if err := Check(Msg{Type: TypeJoin, Body: unhex(t, c.body)}); !errors.Is(err, c.err) {
			t.Errorf("Join %s: got %v, want %v", c.body, err, c.err)
		}
	}
}

func TestClass(t *testing.T) {
	for n := range 256 {
		want := ClassCommand
		switch {
		case n < 32:
			want = ClassControl
		case n < 64:
			want = ClassServerMeta
		case n < 128:
			want = ClassClientMeta
		}
		if got := Type(n).Class(); got != want {
			t.Errorf("Class(%d) = %d, want %d", n, got, want)
		}
	}
}

// TestStored is column H of the table in wire.md §5.
func TestStored(t *testing.T) {
	for n := range 256 {
		want := n >= 32 && n != 38 && n != 39
		if got := Stored(Msg{Type: Type(n), Body: []byte{0, 0}}); got != want {
			t.Errorf("Stored(type %d) = %v, want %v", n, got, want)
		}
	}
	for _, c := range []struct {
		body string
		want bool
	}{
		{"0000", true}, {"0100", false}, {"0101", false}, {"0300", false}, {"fe00", true}, {"0001", true}, {"", false},
	} {
		if got := Stored(Msg{Type: TypeChat, Body: unhex(t, c.body)}); got != c.want {
			t.Errorf("Stored(Chat %s) = %v, want %v", c.body, got, c.want)
		}
	}
}

// TestNames is the table of wire.md §5 without the types in parentheses, which
// have no name in text recordings.
func TestNames(t *testing.T) {
	names := map[Type]string{
		0: "servercommand", 1: "disconnect", 2: "ping", 3: "keepalive", 4: "thumbnail", 31: "internal",
		32: "join", 33: "leave", 34: "sessionowner", 35: "chat", 36: "trusted", 37: "softreset", 38: "privatechat",
		39: "resetstream", 64: "interval", 65: "lasertrail", 66: "movepointer", 68: "useracl", 69: "layeracl",
		70: "featureaccess", 71: "defaultlayer", 73: "extension", 74: "undodepth", 75: "data", 76: "localchange",
		77: "featurelimits", 128: "undopoint", 129: "resize", 131: "layerattr", 132: "retitlelayer", 136: "putimage",
		137: "fillrect", 140: "penup", 141: "newannotation", 142: "reshapeannotation", 143: "editannotation",
		144: "deleteannotation", 146: "puttile", 147: "background", 148: "classicdabs", 149: "pixeldabs",
		150: "squarepixeldabs", 151: "mypaintdabs", 152: "mypaintdabsblend", 160: "moverect", 161: "setmetadataint",
		162: "layertreecreate", 163: "layertreemove", 164: "layertreedelete", 165: "transformregion",
		166: "trackcreate", 167: "trackretitle", 168: "trackdelete", 169: "trackorder", 170: "keyframeset",
		171: "keyframeretitle", 172: "keyframelayerattributes", 173: "keyframedelete", 174: "selectionput",
		175: "selectionclear", 176: "localmatch", 177: "syncselectiontile", 178: "putimagezstd", 179: "puttilezstd",
		180: "canvasbackgroundzstd", 181: "moverectzstd", 182: "transformregionzstd", 255: "undo",
	}
	for n := range 256 {
		want, ok := names[Type(n)]
		if !ok {
			want = "unknown"
		}
		if got := Type(n).String(); got != want {
			t.Errorf("name of %d = %q, want %q", n, got, want)
		}
	}
}

// TestTypeNumbers ties the constants to the names.
func TestTypeNumbers(t *testing.T) {
	for typ, want := range map[Type]string{
		TypeServerCommand: "servercommand", TypeDisconnect: "disconnect", TypePing: "ping", TypeKeepAlive: "keepalive",
		TypeThumbnail: "thumbnail", TypeInternal: "internal", TypeJoin: "join", TypeLeave: "leave",
		TypeSessionOwner: "sessionowner", TypeChat: "chat", TypeTrustedUsers: "trusted", TypeSoftReset: "softreset",
		TypePrivateChat: "privatechat", TypeResetStream: "resetstream", TypeInterval: "interval",
		TypeLaserTrail: "lasertrail", TypeMovePointer: "movepointer", TypeUserACL: "useracl", TypeLayerACL: "layeracl",
		TypeFeatureAccess: "featureaccess", TypeDefaultLayer: "defaultlayer", TypeUndoDepth: "undodepth",
		TypeData: "data", TypeLocalChange: "localchange", TypeFeatureLimits: "featurelimits",
		TypeUndoPoint: "undopoint", TypeUndo: "undo",
	} {
		if typ.String() != want {
			t.Errorf("constant for %s has the number of %s", want, typ)
		}
	}
}
