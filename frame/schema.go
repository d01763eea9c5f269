package frame

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// schema is the layout of every message that has a name (wire.md §6, §15.1;
// storage.md §15.1). A line is
//
//	NUMBER NAME FIELD:KIND …
//
// in the order of the bytes. Kinds: u8 u16 u24 u32 i8 i32 big-endian integers,
// with /4 or /256 in that part of a unit; bool one byte; enum a byte that is
// written as a number; color u32 ARGB; blend the number of a blend mode;
// flags(a,b…) a byte of bits, the first the lowest; and, to the end of the
// payload, str text, bytes, [KIND] a list, {FIELD:KIND,…} structures under the
// key "_". short is text behind its length in one byte.
const schema = `
0 servercommand msg:str
1 disconnect reason:enum message:str
2 ping is_pong:bool
3 keepalive
4 thumbnail data:bytes
32 join flags:flags(auth,mod,bot,old) name:short avatar:bytes
33 leave
34 sessionowner users:[u8]
35 chat tflags:flags(bypass) oflags:flags(shout,action,pin,alert,roll) message:str
36 trusted users:[u8]
37 softreset
38 privatechat target:u8 oflags:u8 message:str
39 resetstream data:bytes
64 interval msecs:u16
65 lasertrail color:color persistence:u8
66 movepointer x:i32 y:i32
68 useracl users:[u8]
69 layeracl id:u24 flags:u8 exclusive:[u8]
70 featureaccess feature_tiers:[u8]
71 defaultlayer id:u24
74 undodepth depth:u8
75 data type:enum recipient:u8 body:bytes
76 localchange type:enum body:bytes
77 featurelimits limits:[i32]
128 undopoint
129 resize top:i32 right:i32 bottom:i32 left:i32
131 layerattr id:u24 sublayer:u8 flags:flags(censor,fixed,isolated,clip) opacity:u8 blend:blend
132 retitlelayer id:u24 title:str
136 putimage layer:u24 mode:blend x:u32 y:u32 w:u32 h:u32 image:bytes
137 fillrect layer:u24 mode:blend x:u32 y:u32 w:u32 h:u32 color:color
140 penup layer:u24
141 newannotation id:u16 x:i32 y:i32 w:u16 h:u16
142 reshapeannotation id:u16 x:i32 y:i32 w:u16 h:u16
143 editannotation id:u16 bg:color flags:flags(protect,valign_center,valign_bottom,alias,rasterize) border:u8 text:str
144 deleteannotation id:u16
146 puttile user:u8 layer:u24 sublayer:u8 col:u16 row:u16 repeat:u16 image:bytes
147 background image:bytes
148 classicdabs flags:u8 layer:u24 x:i32/4 y:i32/4 color:color mode:blend _:{x:i8/4,y:i8/4,size:u24/256,hardness:u8,opacity:u8}
149 pixeldabs flags:u8 layer:u24 x:i32 y:i32 color:color mode:blend _:{x:i8,y:i8,size:u16,opacity:u8}
150 squarepixeldabs flags:u8 layer:u24 x:i32 y:i32 color:color mode:blend _:{x:i8,y:i8,size:u16,opacity:u8}
151 mypaintdabs flags:u8 layer:u24 x:i32/4 y:i32/4 color:color lock_alpha:u8 colorize:u8 posterize:u8 mode:u8 _:{x:i8/4,y:i8/4,size:u24/256,hardness:u8,opacity:u8,angle:u8,aspect_ratio:u8}
152 mypaintdabsblend flags:u8 layer:u24 x:i32/4 y:i32/4 color:color mode:blend _:{x:i8/4,y:i8/4,size:u24/256,hardness:u8,opacity:u8,angle:u8,aspect_ratio:u8}
160 moverect layer:u24 source:u24 sx:i32 sy:i32 tx:i32 ty:i32 w:i32 h:i32 blend:blend opacity:u8 mask:bytes
161 setmetadataint field:enum value:i32
162 layertreecreate id:u24 source:u24 target:u24 fill:color flags:flags(group,into) title:str
163 layertreemove layer:u24 parent:u24 sibling:u24
164 layertreedelete id:u24 merge_to:u24
165 transformregion layer:u24 source:u24 bx:i32 by:i32 bw:i32 bh:i32 x1:i32 y1:i32 x2:i32 y2:i32 x3:i32 y3:i32 x4:i32 y4:i32 mode:enum blend:blend opacity:u8 mask:bytes
166 trackcreate id:u16 insert_id:u16 source_id:u16 title:str
167 trackretitle id:u16 title:str
168 trackdelete id:u16
169 trackorder tracks:[u16]
170 keyframeset track_id:u16 frame_index:u16 source_id:u24 source_index:u16 source:enum
171 keyframeretitle track_id:u16 frame_index:u16 title:str
172 keyframelayerattributes track_id:u16 frame_index:u16 layer_flags:[u32]
173 keyframedelete track_id:u16 frame_index:u16 move_track_id:u16 move_frame_index:u16
174 selectionput selection_id:u8 op:enum x:i32 y:i32 w:u32 h:u32 mask:bytes
175 selectionclear selection_id:u8
176 localmatch type:u8 data:bytes
177 syncselectiontile user:u8 selection_id:u8 col:u16 row:u16 mask:bytes
178 putimagezstd layer:u24 mode:blend x:u32 y:u32 w:u32 h:u32 image:bytes
179 puttilezstd user:u8 layer:u24 sublayer:u8 col:u16 row:u16 repeat:u16 image:bytes
180 canvasbackgroundzstd image:bytes
181 moverectzstd layer:u24 source:u24 sx:i32 sy:i32 tx:i32 ty:i32 w:i32 h:i32 blend:blend opacity:u8 mask:bytes
182 transformregionzstd layer:u24 source:u24 bx:i32 by:i32 bw:i32 bh:i32 x1:i32 y1:i32 x2:i32 y2:i32 x3:i32 y3:i32 x4:i32 y4:i32 mode:enum blend:blend opacity:u8 mask:bytes
255 undo override_user:u8 redo:bool
`

// schema22 is what the protocol of 2.2 clients (dp:4.24.0) has otherwise
// (wire.md §15.2): layers have ids of 16 bits. A line without a name is a type
// that does not exist there.
const schema22 = `
67 marker text:str
69 layeracl id:u16 flags:u8 exclusive:[u8]
71 defaultlayer id:u16
72 filtered message:bytes
77
130 newlayer id:u16 source:u16 fill:color flags:flags(copy,insert) title:str
131 layerattr id:u16 sublayer:u8 flags:flags(censor,fixed,isolated) opacity:u8 blend:blend
132 retitlelayer id:u16 title:str
133 layerorder layers:[u16]
134 deletelayer id:u16 merge:bool
135 layervisibility id:u16 visible:bool
136 putimage layer:u16 mode:blend x:u32 y:u32 w:u32 h:u32 image:bytes
137 fillrect layer:u16 mode:blend x:u32 y:u32 w:u32 h:u32 color:color
140 penup
143 editannotation id:u16 bg:color flags:flags(protect,valign_center,valign_bottom) border:u8 text:str
145 moveregion layer:u16 bx:i32 by:i32 bw:i32 bh:i32 x1:i32 y1:i32 x2:i32 y2:i32 x3:i32 y3:i32 x4:i32 y4:i32 mask:bytes
146 puttile layer:u16 sublayer:u8 col:u16 row:u16 repeat:u16 image:bytes
148 classicdabs layer:u16 x:i32/4 y:i32/4 color:color mode:blend _:{x:i8/4,y:i8/4,size:u16/256,hardness:u8,opacity:u8}
149 pixeldabs layer:u16 x:i32 y:i32 color:color mode:blend _:{x:i8,y:i8,size:u8,opacity:u8}
150 squarepixeldabs layer:u16 x:i32 y:i32 color:color mode:blend _:{x:i8,y:i8,size:u8,opacity:u8}
151 mypaintdabs layer:u16 x:i32/4 y:i32/4 color:color lock_alpha:u8 colorize:u8 posterize:u8 mode:u8 _:{x:i8/4,y:i8/4,size:u16/256,hardness:u8,opacity:u8,angle:u8,aspect_ratio:u8}
152
160 moverect layer:u16 source:u16 sx:i32 sy:i32 tx:i32 ty:i32 w:i32 h:i32 mask:bytes
162 layertreecreate id:u16 source:u16 target:u16 fill:color flags:flags(group,into) title:str
163 layertreemove layer:u16 parent:u16 sibling:u16
164 layertreedelete id:u16 merge_to:u16
165 transformregion layer:u16 source:u16 bx:i32 by:i32 bw:i32 bh:i32 x1:i32 y1:i32 x2:i32 y2:i32 x3:i32 y3:i32 x4:i32 y4:i32 mode:enum mask:bytes
170 keyframeset track_id:u16 frame_index:u16 source_id:u16 source_index:u16 source:enum
172 keyframelayerattributes track_id:u16 frame_index:u16 layer_flags:[u16]
174
175
177
178
179
180
181
182
`

// maxFields is the most fields a message has.
const maxFields = 18

// kind is how a field is kept in a payload.
type kind uint8

const (
	kindInt    kind = iota // integer of width bytes, signed or not, in parts of a unit
	kindBool               // one byte
	kindEnum               // one byte
	kindColor              // u32 ARGB
	kindBlend              // one byte
	kindFlags              // one byte
	kindShort              // one byte of length, text
	kindStr                // text to the end
	kindBytes              // bytes to the end
	kindList               // integers to the end
	kindStruct             // structures to the end
)

// field is one field of a message, or of a structure in it.
type field struct {
	name   string
	kind   kind
	width  int      // bytes of an integer or of a list's elements
	signed bool     // of the same
	parts  int64    // of a unit, 1 unless scaled
	flags  []string // names of the bits
	fields []field  // of a structure
}

// layout is how the payload of one message type is made up.
type layout struct {
	typ    Type
	name   string
	fields []field // in the order of the bytes
	order  []int   // of the fields in the text: by name, structures last
}

// Schema knows the names and layouts of the messages of one protocol version.
// Immutable; any goroutine.
type Schema struct {
	byType [256]*layout
	byName map[string]*layout
}

// SchemaOf returns the schema for a protocol version: that of 2.2 clients for
// a major number below 25, else that of 2.3 clients.
func SchemaOf(v Version) *Schema {
	if v.Major < OwnVersion.Major {
		return schemas()[0]
	}
	return schemas()[1]
}

// schemas are those of 2.2 and of 2.3.
var schemas = sync.OnceValue(func() [2]*Schema {
	return [2]*Schema{newSchema(schema, schema22), newSchema(schema)}
})

// newSchema reads tables; what stands in a later one replaces the same type of
// those before.
func newSchema(tables ...string) *Schema {
	s := &Schema{byName: make(map[string]*layout)}
	for _, table := range tables {
		for line := range strings.Lines(strings.TrimSpace(table)) {
			words := strings.Fields(line)
			n, err := strconv.ParseUint(words[0], 10, 8)
			if err != nil {
				panic("internal error: frame: bad line in the schema: " + line)
			}
			s.byType[n] = nil
			if len(words) > 1 {
				s.byType[n] = newLayout(Type(n), words[1], words[2:])
			}
		}
	}
	for _, l := range s.byType {
		if l != nil {
			s.byName[l.name] = l
		}
	}
	return s
}

// Name returns the name of a type in this version, "unknown" if it has none.
func (s *Schema) Name(t Type) string {
	if l := s.byType[t]; l != nil {
		return l.name
	}
	return "unknown"
}

func newLayout(t Type, name string, words []string) *layout {
	l := &layout{typ: t, name: name}
	if len(words) > maxFields {
		panic("internal error: frame: too many fields in the schema: " + name)
	}
	for i, w := range words {
		l.fields = append(l.fields, newField(w))
		l.order = append(l.order, i)
	}
	slices.SortFunc(l.order, func(a, b int) int {
		x, y := &l.fields[a], &l.fields[b]
		if x.kind != y.kind && (x.kind == kindStruct || y.kind == kindStruct) {
			return cmp.Compare(x.kind, y.kind)
		}
		return cmp.Compare(x.name, y.name)
	})
	return l
}

// newField reads NAME:KIND.
func newField(text string) field {
	name, k, _ := strings.Cut(text, ":")
	f := field{name: name, parts: 1}
	switch {
	case k == "bool":
		f.kind = kindBool
	case k == "enum":
		f.kind = kindEnum
	case k == "color":
		f.kind = kindColor
	case k == "blend":
		f.kind = kindBlend
	case k == "short":
		f.kind = kindShort
	case k == "str":
		f.kind = kindStr
	case k == "bytes":
		f.kind = kindBytes
	case strings.HasPrefix(k, "flags("):
		f.kind, f.flags = kindFlags, strings.Split(k[len("flags("):len(k)-1], ",")
	case k[0] == '[':
		f = newField(name + ":" + k[1:len(k)-1])
		f.kind = kindList
	case k[0] == '{':
		f.kind = kindStruct
		for _, part := range strings.Split(k[1:len(k)-1], ",") {
			f.fields = append(f.fields, newField(part))
			f.width += f.fields[len(f.fields)-1].width
		}
	default:
		k, parts, scaled := strings.Cut(k, "/")
		if scaled {
			f.parts, _ = strconv.ParseInt(parts, 10, 64)
		}
		bits, _ := strconv.Atoi(k[1:])
		f.width, f.signed = bits/8, k[0] == 'i'
		if f.width == 0 || f.parts == 0 {
			panic("internal error: frame: bad field in the schema: " + text)
		}
	}
	return f
}

// blendNames are the names of the blend modes 0 to 90 (storage.md §15.2).
var blendNames = [...]string{
	"svg:dst-out", "svg:src-over", "svg:multiply", "krita:divide", "svg:color-burn", "svg:color-dodge",
	"svg:darken", "svg:lighten", "krita:subtract", "svg:plus", "svg:src-atop", "svg:dst-over", "-dp-cerase",
	"svg:screen", "-dp-normal-and-eraser", "krita:luminosity_sai", "svg:overlay", "svg:hard-light",
	"svg:soft-light", "krita:linear_burn", "krita:linear light", "svg:hue", "svg:saturation", "svg:luminosity",
	"svg:color", "-dp-compare-density-soft", "-dp-compare-density", "krita:vivid_light", "krita:pin_light",
	"svg:difference", "krita:darker color", "krita:lighter color", "krita:shade_sai", "krita:shade_shine_sai",
	"krita:burn_sai", "krita:dodge_sai", "krita:burn_dodge_sai", "krita:hard_mix_sai", "krita:difference_sai",
	"-dp-marker", "-dp-marker-wash", "-dp-greater", "-dp-greater-wash", "-dp-pigment", "-dp-light-to-alpha",
	"-dp-dark-to-alpha", "-dp-multiply-alpha", "-dp-divide-alpha", "-dp-burn-alpha", "-dp-dodge-alpha",
	"-dp-darken-alpha", "-dp-lighten-alpha", "-dp-subtract-alpha", "-dp-add-alpha", "-dp-screen-alpha",
	"-dp-luminosity-shine-sai-alpha", "-dp-overlay-alpha", "-dp-hard-light-alpha", "-dp-soft-light-alpha",
	"-dp-linear-burn-alpha", "-dp-linear-light-alpha", "-dp-hue-alpha", "-dp-saturation-alpha",
	"-dp-luminosity-alpha", "-dp-color-alpha", "-dp-vivid-light-alpha", "-dp-pin-light-alpha",
	"-dp-difference-alpha", "-dp-darker-color-alpha", "-dp-lighter-color-alpha", "-dp-shade-sai-alpha",
	"-dp-shade-shine-sai-alpha", "-dp-burn-sai-alpha", "-dp-dodge-sai-alpha", "-dp-burn-dodge-sai-alpha",
	"-dp-hard-mix-sai-alpha", "-dp-difference-sai-alpha", "-dp-marker-alpha", "-dp-marker-alpha-wash",
	"krita:greater", "-dp-greater-alpha-wash", "mypaint:spectral-wgm", "-dp-pigment-and-eraser",
	"-dp-erase-preserve", "-dp-behind-preserve", "-dp-cerase-preserve", "-dp-light-to-alpha-preserve",
	"-dp-dark-to-alpha-preserve", "-dp-oklab-normal", "-dp-oklab-recolor", "-dp-oklab-normal-and-eraser",
}

// Blend modes apart from the others.
const (
	blendNormal      = 1 // what a missing or unknown name means
	blendReplace     = 255
	blendReplaceName = "-dp-replace"
)

// blendAliases are names that are read and never written.
var blendAliases = map[string]uint8{"-dp-erase": 0, "-dp-divide": 3, "-dp-minus": 8}

// blendName returns the name of a blend mode, "" if it has none.
func blendName(n uint8) string {
	switch {
	case int(n) < len(blendNames):
		return blendNames[n]
	case n == blendReplace:
		return blendReplaceName
	}
	return ""
}

// blendNumber is the reverse of blendName.
var blendNumber = sync.OnceValue(func() map[string]uint8 {
	m := map[string]uint8{blendReplaceName: blendReplace}
	for n, name := range blendNames {
		m[name] = uint8(n)
	}
	for name, n := range blendAliases {
		m[name] = n
	}
	return m
})
