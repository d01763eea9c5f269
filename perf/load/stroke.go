//go:build linux

// Package load is the load generator: it holds the connections of thousands
// of members on one event loop, draws at a paced or a saturating rate, checks
// that every member receives every message in the same order, and measures
// latency at a few of them.
package load

import (
	"encoding/binary"
	"fmt"
	"math/rand"

	"drawrelay/frame"
)

// Payload of a drawn message, big-endian. The first 16 bytes identify it, so
// that a reader that sees nothing else can still prove order and completeness:
//
//	 0  2  Magic   "DS"
//	 2  2  Drawer  number of the drawer in this run
//	 4  4  Seq     0, 1, 2 … per drawer
//	 8  8  Time    scheduled send time in ns of the generator's clock; 0 = not timed
//	16  n  Filler  part of a fixed random pattern, chosen by Seq
//
// Payload of a mark, which divides a session's history into measured parts:
//
//	0  2  Magic   "DM"
//	2  2  Kind    1 = start, 2 = end
//	4  4  Number
//	8  8  0
const (
	strokeMagic = 0x4453
	markMagic   = 0x444d
	markStart   = 1
	markEnd     = 2

	// IdentLen is the length in bytes of the identifying part of a payload.
	IdentLen = 16
	// MinSize is the smallest drawn message in bytes, header included.
	MinSize = frame.HeaderLen + IdentLen

	// strokeType is a drawing command (classic dabs), the type that makes up
	// more than nine tenths of recorded sessions.
	strokeType = frame.Type(148)
	// markType is opaque and below 128, so that a host sees its own marks even
	// while it uploads.
	markType = frame.TypeData

	fillerStep  = 41   // bytes the pattern moves on per message
	fillerStart = 4096 // start positions in the pattern, a power of two
)

var filler = func() []byte {
	b := make([]byte, fillerStart+frame.MaxPayload)
	rand.New(rand.NewSource(7)).Read(b)
	return b
}()

// fillerFor returns n bytes of filler for message seq, from its offset off on.
func fillerFor(seq uint32, off, n int) []byte {
	start := int(seq*fillerStep)&(fillerStart-1) + off
	return filler[start : start+n]
}

// appendStroke appends a drawn message of size bytes, header included.
func appendStroke(dst []byte, size int, user uint8, drawer uint16, seq uint32, at int64) []byte {
	dst = frame.AppendHeader(dst, size-frame.HeaderLen, strokeType, user)
	dst = binary.BigEndian.AppendUint16(dst, strokeMagic)
	dst = binary.BigEndian.AppendUint16(dst, drawer)
	dst = binary.BigEndian.AppendUint32(dst, seq)
	dst = binary.BigEndian.AppendUint64(dst, uint64(at))
	return append(dst, fillerFor(seq, 0, size-MinSize)...)
}

// appendMark appends a mark of the given kind and number.
func appendMark(dst []byte, user uint8, kind uint16, num uint32) []byte {
	dst = frame.AppendHeader(dst, IdentLen, markType, user)
	dst = binary.BigEndian.AppendUint16(dst, markMagic)
	dst = binary.BigEndian.AppendUint16(dst, kind)
	dst = binary.BigEndian.AppendUint32(dst, num)
	return binary.BigEndian.AppendUint64(dst, 0)
}

// Sizes says how large the drawn messages are: message number i is
// At(i) bytes long, header included.
type Sizes struct {
	table []int32 // a power of two of entries
}

// mixEntries is the length of the table of a mix: long enough that its rare
// large messages occur in proportion.
const mixEntries = 8192

// DrawingMix imitates a drawing session with some images pasted: half of the
// messages are brush strokes of 20 to 150 B, most others are up to 400 B, a
// few percent are 1 to 4 KB and a few per mille 10 to 60 KB. The mean is about
// 425 B.
func DrawingMix() Sizes {
	r := rand.New(rand.NewSource(1))
	t := make([]int32, mixEntries)
	in := func(lo, hi int) int32 { return int32(lo + r.Intn(hi-lo+1)) }
	for i := range t {
		switch k := i * 1000 / mixEntries; { // per mille, so the shares are exact
		case k < 500:
			t[i] = in(20, 150)
		case k < 966:
			t[i] = in(100, 400)
		case k < 994:
			t[i] = in(1000, 4000)
		default:
			t[i] = in(10000, 60000)
		}
	}
	r.Shuffle(len(t), func(i, j int) { t[i], t[j] = t[j], t[i] })
	return Sizes{t}
}

// FixedSize makes every message n bytes long, header included. n must be in
// MinSize..frame.MaxFrame.
func FixedSize(n int) (Sizes, error) {
	if n < MinSize || n > frame.MaxFrame {
		return Sizes{}, fmt.Errorf("message size %d: must be %d to %d bytes", n, MinSize, frame.MaxFrame)
	}
	return Sizes{[]int32{int32(n)}}, nil
}

// At returns the size in bytes of message i.
func (s Sizes) At(i uint32) int { return int(s.table[i&uint32(len(s.table)-1)]) }

// Mean returns the mean size in bytes.
func (s Sizes) Mean() float64 {
	var sum float64
	for _, n := range s.table {
		sum += float64(n)
	}
	return sum / float64(len(s.table))
}
