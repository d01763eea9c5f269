package relay

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/entry"
	"drawrelay/store/settings"
)

var (
	canvasSequences = flag.Uint64("canvases", 100, "how many sequences TestCanvases runs")
	canvasSeed      = flag.Uint64("canvasseed", 0, "the only seed for TestCanvases; 0: all")
)

/* Canvases
 *
 * Eight clients join, leave, come back with what they have, draw, chat, change
 * settings and roles, kick, and reset by upload and by stream, well and badly,
 * while the clock runs and slow work and the disk take their time or fail. A
 * client's canvas is the list of strokes it shows; a reset image is the canvas
 * of who makes it. In the end all canvases are identical, equal that of the
 * server's history, and have what the model says.
 */

// knownAgain bounds what a client that comes back may be sent again: it knows
// one less than it has, and counts neither the start of a streamed reset nor
// the configuration after a classic one, until the next index (session.md §11).
const knownAgain = 6

// painter is one of the clients.
type painter struct {
	name   string
	kind   []func(*entry.Person)
	seat   *seat // nil: away
	seen   int   // messages of its link that it has looked at
	drawn  int
	canvas []string
	index  frame.HistoryIndex
	resume int      // how many of the next messages of the history may be known
	held   []string // model: strokes that wait in the server
	upload []string // of a classic reset, nil if there is none
	image  []string // of a streamed one: the canvas at its start
	start  string   // correlator of the streamed reset it was asked for
}

// gallery is a session with its clients and the model of its canvas.
type gallery struct {
	*world
	rnd      *rand.Rand
	painters []*painter
	strict   bool // there is room for everything

	// The model: an image, and every painter's strokes since.
	fixed []string
	since map[string][]string

	resets, streams, resumes *int
}

// TestCanvases: see above. A failure prints its seed, -canvasseed repeats it.
func TestCanvases(t *testing.T) {
	first, last := uint64(1), *canvasSequences
	if *canvasSeed != 0 {
		first, last = *canvasSeed, *canvasSeed
	}
	var resets, streams, resumes int
	for seed := first; seed <= last; seed++ {
		g := newGallery(t, seed)
		g.resets, g.streams, g.resumes = &resets, &streams, &resumes
		g.run()
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
		g.log.Close(time.Second)
	}
	t.Logf("%d sequences with %d classic and %d streamed resets; %d returns with an index", last-first+1, resets, streams, resumes)
	if last-first >= 99 && (resets == 0 || streams == 0 || resumes == 0) {
		t.Error("the sequences lack something")
	}
}

func newGallery(t *testing.T, seed uint64) *gallery {
	rnd := rand.New(rand.NewPCG(seed, 11))
	g := &gallery{rnd: rnd, strict: rnd.IntN(4) > 0, since: make(map[string][]string)}
	limit := int64(0)
	if !g.strict {
		limit = 10000 + rnd.Int64N(10000)
	}
	g.world = newWorld(t, withSettings(func(s *settings.Settings) {
		s.SessionSizeLimit, s.MinimumAutoResetThreshold = limit, 0
		s.EnableGhosts = true
		s.EmptySessionLingerTime = time.Hour
	}), withCreate(func(c *store.Create) {
		c.Flags |= store.Persistent
		c.AutoReset = int64(rnd.IntN(3)) * 200
	}))
	kinds := [][]func(*entry.Person){{}, {registered}, {mod}, {ghost}, {}, {}, {registered}, {}}
	for i, kind := range kinds {
		g.painters = append(g.painters, &painter{name: fmt.Sprintf("u%d", i), kind: kind})
	}
	return g
}

func (g *gallery) run() {
	host := g.painters[0]
	host.seat = g.hosts(person(host.name))
	ready := g.rnd.IntN(20)
	for step := range 120 {
		if step == ready {
			g.cmd(host.seat, "init-complete", nil, nil)
			g.settled()
		}
		if step < ready {
			g.initialise(host)
		} else {
			g.step()
		}
		g.look()
		if g.t.Failed() {
			return
		}
		if step > ready && step%40 == 0 {
			g.check()
		}
	}
	g.check()
}

// initialise is a step before the session is open.
func (g *gallery) initialise(host *painter) {
	if g.rnd.IntN(3) > 0 {
		host.drawn++
		s := fmt.Sprintf("%s %d", host.name, host.drawn)
		g.draw(host.seat, s)
		host.canvas = append(host.canvas, s) // it is not sent what it uploads
		g.accept(s)
		return
	}
	if p := g.painters[1+g.rnd.IntN(7)]; p.seat == nil {
		g.enter(p)
	} else {
		g.paint(p)
	}
}

func (g *gallery) step() {
	rnd, p := g.rnd, g.painters[g.rnd.IntN(len(g.painters))]
	if p.seat == nil {
		if rnd.IntN(3) > 0 {
			g.enter(p)
		}
		return
	}
	if rnd.IntN(4) == 0 && (g.s.stream != nil || g.s.auto.status != autoresetNone) {
		g.stream(p)
		return
	}
	if g.s.initSeat != nil && rnd.IntN(4) == 0 || p.seat.operator() && rnd.IntN(20) == 0 {
		g.reset(p)
		return
	}
	st := p.seat
	other := g.painters[rnd.IntN(len(g.painters))].seat
	switch n := rnd.IntN(100); {
	case n < 8:
		if !g.s.frozen { // they are processed first
			g.release(p)
		}
		g.leave(st)
	case n < 50:
		for range 1 + rnd.IntN(4) {
			g.paint(p)
		}
	case n < 56:
		g.chat(st, "hi", uint8(rnd.IntN(2)), uint8(rnd.IntN(32)))
	case n < 62 && other != nil:
		g.send(st, []frame.Type{frame.TypeSessionOwner, frame.TypeTrustedUsers}[rnd.IntN(2)], 0, ids(st.id, other.id))
	case n < 64 && other != nil && !g.waiting():
		g.cmd(st, "kick-user", []any{other.id}, map[string]any{"ban": rnd.IntN(6) == 0})
	case n < 66:
		g.cmd(st, "remove-ban", []any{1 + rnd.IntN(3)}, nil)
	case n < 70:
		g.out.defers = rnd.IntN(2) == 0
		g.conf(st, map[string]any{"password": fmt.Sprint(rnd.IntN(3)), "title": fmt.Sprint(rnd.IntN(100))})
		g.settled()
	case n < 80:
		g.advance(time.Duration(rnd.IntN(15)) * time.Second)
	case n < 88:
		g.settle()
	default:
		g.chat(st, "hello", frame.ChatBypass, 0)
	}
}

// waiting reports whether anything waits for slow work.
func (g *gallery) waiting() bool {
	return len(g.out.queued) > 0 || g.s.frozen || slices.ContainsFunc(g.painters, func(p *painter) bool { return len(p.held) > 0 })
}

// settle lets slow work end.
func (g *gallery) settle() {
	g.out.defers = false
	g.turn()
	g.settled()
}

// settled moves what waited into the model's canvas, if nothing waits any more.
func (g *gallery) settled() {
	if g.out.defers || len(g.out.queued) > 0 {
		return
	}
	for _, p := range g.painters {
		g.release(p)
	}
}

// release is the model of strokes that do not wait any more.
func (g *gallery) release(p *painter) {
	if p.seat != nil && p.seat == g.s.initSeat && g.s.state == stateReset {
		p.upload = append(p.upload, p.held...)
	} else {
		g.since[p.name] = append(g.since[p.name], p.held...)
	}
	p.held = nil
}

// accept is the model of a stroke that is stored at once.
func (g *gallery) accept(s string) {
	name, _, _ := strings.Cut(s, " ")
	g.since[name] = append(g.since[name], s)
}

// paint draws one stroke.
func (g *gallery) paint(p *painter) {
	st := p.seat
	if st == nil || st.gone {
		return
	}
	p.drawn++
	s := fmt.Sprintf("%s %d", p.name, p.drawn)
	switch {
	case st.locked || st.busy || g.s.frozen:
		p.held = append(p.held, s)
	case g.s.state == stateReset && g.s.initSeat == st:
		p.upload = append(p.upload, s)
	default:
		g.accept(s)
	}
	g.draw(st, s)
}

func (g *gallery) enter(p *painter) {
	if g.s.frozen {
		return // the transport waits, too
	}
	r := &entry.JoinRequest{Person: person(p.name, p.kind...), Session: g.s.hist.ID}
	if g.rnd.IntN(2) == 0 {
		r.Index = p.index
	}
	st, err := g.tryJoin(r)
	var refused *entry.Refusal
	if err != nil && !errors.As(err, &refused) {
		g.t.Errorf("join: %v", err)
	}
	if err == nil {
		p.seat, p.seen = st, 0
	}
}

// reset does the next part of a classic reset.
func (g *gallery) reset(p *painter) {
	switch up := g.s.initSeat; {
	case up == nil:
		g.askReset(p)
	case up.busy || g.s.frozen:
		g.settle()
	default:
		p = g.of(up)
		if g.rnd.IntN(4) > 0 {
			g.cmd(up, "init-begin", nil, nil)
			image := p.canvas
			if g.rnd.IntN(3) == 0 { // back to an earlier state
				image = image[:g.rnd.IntN(len(image)+1)]
			}
			p.upload = slices.Clone(image)
			for _, s := range image {
				if g.draw(up, s); up.gone {
					return
				}
			}
		}
		if g.rnd.IntN(5) == 0 {
			g.cmd(up, "init-cancel", nil, nil)
			return
		}
		g.out.defers, g.out.fails = g.rnd.IntN(2) == 0, nil
		if g.rnd.IntN(6) == 0 {
			g.out.fails = errors.New("disk full")
		}
		if g.s.imageCount > 0 && g.out.fails == nil { // of whatever, chat too
			g.fixed, g.since = slices.Clone(p.upload), make(map[string][]string)
			*g.resets++
		}
		g.cmd(up, "init-complete", nil, nil)
		g.settled()
	}
}

// askReset starts a classic reset, at once or not at all.
func (g *gallery) askReset(p *painter) {
	if !p.seat.busy && !g.s.frozen {
		g.look()
		p.upload = nil
		g.cmd(p.seat, "reset-session", nil, nil)
	}
}

func (g *gallery) of(st *seat) *painter {
	for _, p := range g.painters {
		if p.seat == st {
			return p
		}
	}
	g.t.Fatalf("%q is nobody", st.person.Name)
	return nil
}

// stream does the next part of an autoreset.
func (g *gallery) stream(p *painter) {
	rnd := g.rnd
	switch x := g.s.stream; {
	case x != nil && (x.prepared || x.st.busy):
		g.settle()
	case x != nil:
		g.look()
		st := x.st
		q := g.of(st)
		var msgs []frame.Msg
		for _, s := range q.image {
			msgs = append(msgs, msg(stroke, s))
		}
		data, count := compressed(msgs...), len(msgs)
		switch rnd.IntN(10) {
		case 0:
			count++
		case 1:
			data = data[:len(data)-1]
		case 2:
			g.cmd(st, "stream-reset-abort", nil, nil)
			return
		case 3:
			g.send(p.seat, frame.TypeResetStream, 0, "garbage")
			return
		default:
			if count > 0 {
				*g.streams++
			}
		}
		g.out.fails = nil
		if rnd.IntN(8) == 0 {
			g.out.fails = errors.New("disk full")
		}
		g.out.defers = rnd.IntN(2) == 0
		for piece := range slices.Chunk(data, 1+rnd.IntN(len(data))) {
			g.send(st, frame.TypeResetStream, 0, string(piece))
		}
		g.cmd(st, "stream-reset-finish", []any{count}, nil)
		g.settled()
	case g.s.auto.status == autoresetQueried || g.s.auto.status == autoresetWaiting:
		for _, q := range g.painters {
			if st := q.seat; st != nil && !st.gone && !st.busy && st.reset&resetQueried != 0 && rnd.IntN(4) > 0 {
				if rnd.IntN(4) > 0 {
					g.ready(st, stream1...)
				} else {
					g.ready(st)
				}
			}
		}
	case g.s.auto.status == autoresetRequested:
		g.look()
		for _, q := range g.painters {
			if st := q.seat; st != nil && !st.gone && !st.busy && g.s.auto.chosen == st {
				if q.start != "" {
					g.cmd(st, "stream-reset-start", []any{q.start}, nil)
				} else {
					g.askReset(q)
				}
				break
			}
		}
	}
}

// look lets every client take in what it was sent.
func (g *gallery) look() {
	for _, p := range g.painters {
		if p.seat == nil {
			continue
		}
		for _, h := range heardBy(p.seat)[p.seen:] {
			g.take(p, h)
		}
		p.seen = mark(p.seat)
		if p.seat.gone || p.seat.link.(*fakeLink).closed && !g.s.frozen {
			if p.seat.gone && !g.s.frozen && len(p.held) > 0 {
				p.held = nil // kicked while it waited
			}
			p.seat = nil
		}
	}
}

func (g *gallery) take(p *painter, h heard) {
	text, _ := h.json["hidx"].(string)
	if text == "" {
		text, _ = h.json["hid*"].(string)
	}
	switch kind := h.kind(); {
	case kind == "result":
		if h.json["join"].(map[string]any)["skip"] == true {
			p.resume = knownAgain
			*g.resumes++
		} else if h.json["state"] == "join" {
			p.canvas, p.index = nil, frame.HistoryIndex{}
		}
	case kind == "reset" && h.json["state"] == "reset":
		p.canvas, p.index, p.resume = nil, frame.HistoryIndex{}, 0
	case kind == "sstart" && h.User == p.seat.id:
		p.image = slices.Clone(p.canvas)
	case kind == "autoreset" && h.json["query"] == false:
		p.start, _ = h.json["correlator"].(string)
	case text != "":
		p.index, _ = frame.ParseHistoryIndex(text)
	case h.history && h.Type >= 32:
		p.index.Pos++
	}
	if !h.history {
		return
	}
	known := p.resume > 0 && slices.Contains(p.canvas[max(0, len(p.canvas)-knownAgain):], string(h.Body))
	p.resume--
	if h.Type >= frame.FirstCommand && !known {
		p.canvas = append(p.canvas, string(h.Body))
	}
}

// check lets everything come to rest and compares the canvases.
func (g *gallery) check() {
	t := g.t
	g.settle()
	if up := g.s.initSeat; up != nil {
		g.cmd(up, "init-cancel", nil, nil)
		g.settle()
	}
	g.look()
	if g.s.frozen || g.s.state != stateRunning {
		t.Fatalf("frozen: %v, state %v", g.s.frozen, g.s.state)
	}
	var server []string
	for _, h := range g.history() {
		if h.Type >= frame.FirstCommand {
			server = append(server, string(h.Body))
		}
	}
	present := 0
	for _, p := range g.painters {
		if p.seat == nil {
			continue
		}
		present++
		(&schedule{world: g.world}).checkDelivered(p.seat)
		if !slices.Equal(p.canvas, server) {
			t.Errorf("%s shows\n%q\nthe server has\n%q", p.name, p.canvas, server)
		}
	}
	if present != len(g.s.seats) {
		t.Errorf("%d clients are there, the server says %d", present, len(g.s.seats))
	}
	if !g.strict {
		return
	}
	if len(server) < len(g.fixed) || !slices.Equal(server[:len(g.fixed)], g.fixed) {
		t.Errorf("the server has\n%q\nthe model's image is\n%q", server, g.fixed)
		return
	}
	rest := make(map[string][]string)
	for _, s := range server[len(g.fixed):] {
		name, _, _ := strings.Cut(s, " ")
		rest[name] = append(rest[name], s)
	}
	for _, p := range g.painters {
		if !slices.Equal(rest[p.name], g.since[p.name]) {
			t.Errorf("of %s the server has\n%q\nthe model\n%q", p.name, rest[p.name], g.since[p.name])
		}
	}
}
