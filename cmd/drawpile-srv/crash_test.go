package main

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/serverlog"
)

// number returns an environment variable's value.
func number(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// TestCrashRounds kills the server at random times while four people draw in a
// session. What any of its members has received is there after the restart, in
// the same order, and drawing goes on. CRASH_ROUNDS says how often, CRASH_SEED
// repeats a failure as far as that is possible.
func TestCrashRounds(t *testing.T) {
	rounds, seed := number(t, "CRASH_ROUNDS", 5), number(t, "CRASH_SEED", rand.Uint64())
	t.Logf("CRASH_SEED=%d", seed)
	rnd := rand.New(rand.NewPCG(seed, 2))
	dir := t.TempDir()
	settings := writeFile(t, "settings.ini", "persistence = true\nautoResetThreshold = 0\nsessionSizeLimit = 0\nclientTimeout = 60\n")
	names := []string{"ann", "bob", "cid", "dan", "eva", "finn"}
	const drawing = 4            // the first ones of them
	const strokesEach = 250      // at most, in a round
	next := make(map[string]int) // numbers of their next strokes
	var before []byte            // history that was there after the last restart
	for round := range int(rounds) {
		args := []string{"--sessions", dir, "--config", settings,
			"--transport", []string{"auto", "goroutine"}[rnd.IntN(2)], "--loops", strconv.Itoa(1 + rnd.IntN(2)),
			"--sync-interval", []string{"0", "20ms", "1s"}[rnd.IntN(3)]}
		s := launch(t, args...)
		if round == 0 {
			s.hostAs("zoe", "crash")
		}
		var members []*artist
		for _, name := range names {
			members = append(members, s.joinAs(name, "crash", ""))
		}
		for _, a := range members {
			a.catchUp()
		}
		var busy sync.WaitGroup
		for _, a := range members[:drawing] {
			own := rand.New(rand.NewPCG(seed, rnd.Uint64()))
			busy.Go(func() { a.doodle(own, next[a.name], strokesEach) })
		}
		witness := members[drawing+rnd.IntN(2)]
		enough := witness.seen() + 1 + rnd.IntN(drawing*strokesEach)
		witness.await("strokes", func() bool { return witness.stored >= enough })
		time.Sleep(time.Duration(rnd.IntN(2000)) * time.Microsecond) // between two messages, too
		sig := []os.Signal{os.Kill, os.Kill, os.Kill, syscall.SIGTERM}[rnd.IntN(4)]
		s.signal(sig)
		for _, a := range members {
			a.end()
			_ = a.conn.Close()
		}
		busy.Wait()
		<-s.done

		s = launch(t, args...)
		all := s.joinAs("gus", "crash", "").catchUp().received()
		if !bytes.HasPrefix(all, before) {
			t.Fatalf("round %d, %v %q: the history of the round before is not there", round, sig, args)
		}
		for _, a := range members {
			if got := a.received(); !bytes.HasPrefix(all, whole(got)) {
				t.Fatalf("round %d, %v %q: %s had received %d bytes that are not in the %d bytes of the history",
					round, sig, args, a.name, len(got), len(all))
			}
		}
		if next = numbers(t, all); len(next) == 0 {
			t.Errorf("round %d: nothing was drawn", round)
		}
		before = all
		if rnd.IntN(2) == 0 {
			s.stop(os.Kill)
		} else {
			s.stop(syscall.SIGTERM)
		}
	}
}

// seen returns how many messages of the history the artist has received.
func (a *artist) seen() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.stored
}

// whole returns the whole messages at the start of b.
func whole(b []byte) []byte {
	n, _ := frame.Whole(b)
	return b[:n]
}

// TestCrashTornTail cuts the recording of a killed server at every length
// inside its last message. All complete messages are there after a load, in
// memory and in the file, with leaves for those who were inside, and what is
// appended then stays.
func TestCrashTornTail(t *testing.T) {
	dir := t.TempDir()
	settings := writeFile(t, "settings.ini", "persistence = true\n")
	s := launch(t, "--sessions", dir, "--config", settings)
	host := s.hostAs("zoe", "torn")
	ann := s.joinAs("ann", "torn", "").catchUp()
	ann.doodle(rand.New(rand.NewPCG(1, 1)), 0, 50)
	last := frame.Append(nil, frame.Msg{Type: stroke, User: ann.user, Body: []byte(strings.Repeat("the last stroke ", 3))})
	ann.write(last)
	for _, a := range []*artist{host, ann} {
		a.await("the last stroke", func() bool { return bytes.HasSuffix(a.history, last) })
	}
	s.signal(os.Kill) // while both are inside
	<-s.done

	recordings, err := filepath.Glob(filepath.Join(dir, "*.dprec"))
	if err != nil || len(recordings) != 1 {
		t.Fatalf("recordings %q, %v", recordings, err)
	}
	content, err := os.ReadFile(recordings[0])
	if err != nil {
		t.Fatal(err)
	}
	head, err := frame.ParseRecordingHead(content)
	if err != nil {
		t.Fatal(err)
	}
	messages, isLast := bytes.CutSuffix(content[head.Len:], last)
	if !isLast {
		t.Fatal("the recording does not end with the last stroke")
	}
	both := frame.AppendLeave(frame.AppendLeave(nil, host.user), ann.user)
	for cut := range last {
		copied := t.TempDir()
		if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		torn := slices.Concat(content[:head.Len], messages, last[:cut])
		path := filepath.Join(copied, filepath.Base(recordings[0]))
		if err := os.WriteFile(path, torn, 0o600); err != nil {
			t.Fatal(err)
		}
		want := slices.Concat(messages, both)
		for range 2 { // what is appended after the repair is whole, too
			st, h := loadOnly(t, copied)
			if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got[head.Len:], want) || h.Log().Size() != int64(len(want)) {
				t.Fatalf("cut after %d bytes: %d bytes in the file, %d loaded, want %d; %v", cut, len(got)-head.Len, h.Log().Size(), len(want), err)
			}
			h.Log().Append(last, 1)
			h.Kick()
			if err := st.Close(); err != nil {
				t.Fatal(err)
			}
			want = append(want, last...)
		}
	}
}

// loadOnly loads a folder with one session.
func loadOnly(t *testing.T, dir string) (*store.Store, *store.History) {
	t.Helper()
	log := serverlog.New(io.Discard, serverlog.FormatText, nil)
	t.Cleanup(func() { log.Close(patience) })
	st, err := store.Open(store.Options{Dir: dir, Log: log, SyncInterval: time.Second, Grace: store.DefaultGrace})
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := st.Load()
	if err != nil || len(loaded) != 1 {
		t.Fatalf("loaded %d sessions, %v", len(loaded), err)
	}
	return st, loaded[0]
}

// TestRealSession serves a session folder that the reference server has
// written, to members who go on drawing in it.
func TestRealSession(t *testing.T) {
	const id, password = "01m7xq073se9sfvsxp382j8hcj", "vj8r6ywi"
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "real-session"))); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(dir, id+".dprec"))
	if err != nil {
		t.Fatal(err)
	}
	head, err := frame.ParseRecordingHead(content)
	if err != nil {
		t.Fatal(err)
	}
	recorded := content[head.Len:]
	settings := writeFile(t, "settings.ini", "persistence = true\nemptySessionLingerTime = 1h\n")
	var drawn []byte
	for range 2 {
		s := launch(t, "--sessions", dir, "--config", settings)
		guest, _ := s.connect()
		guest.cmd("ident", nil, "stranger")
		if body := guest.reply(`"sessions"`); !strings.Contains(body, `"title":"Ada Drawpile"`) || !strings.Contains(body, `"hasPassword":true`) {
			t.Errorf("session list %s", body)
		}
		wrong := s.login("mallory", id)
		kwargs := clientInfo("mallory")
		kwargs["password"] = "vj8r6ywI"
		wrong.cmd("join", kwargs, id)
		wrong.reply(`"badPassword"`)
		for _, name := range []string{"Linus", "Ken"} {
			a := s.joinAs(name, id, password).catchUp()
			a.mu.Lock()
			raw := a.raw
			a.mu.Unlock()
			if n := bytes.Count(raw, recorded); n != 1 {
				t.Errorf("%s received the recorded history %d times", name, n)
			}
			if !bytes.Contains(raw, drawn) {
				t.Errorf("%s did not receive what was drawn before the restart", name)
			}
			at := a.seen()
			a.doodle(rand.New(rand.NewPCG(1, 1)), 0, 30)
			a.await("own strokes", func() bool { return a.stored >= at+30 })
			mine := a.received()
			drawn = mine[len(mine)-len(lastMessages(mine, 30)):]
		}
		if status := s.stop(syscall.SIGTERM); status != exitOK {
			t.Errorf("exit status %d", status)
		}
	}
}

// lastMessages returns the last n messages of b.
func lastMessages(b []byte, n int) []byte {
	_, count := frame.Whole(b)
	for ; count > n; count-- {
		b = b[frame.Len(b):]
	}
	return b
}
