package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"drawrelay/frame"
)

const lobby = "!version=dp:4.25.1\n!title=Lobby\n!maxUserCount=9\n" +
	`1 resize {"right":640,"bottom":480}` + "\n" + `1 raw {"type":200,"payload":"bG9iYnk="}` + "\n"

// listed returns the sessions that a client sees: alias to id, empty for what
// does not run.
func (s *testServer) listed() map[string]string {
	s.t.Helper()
	c, _ := s.connect()
	c.cmd("ident", nil, "probe")
	var list struct {
		Sessions []struct{ Alias, ID, Title string }
	}
	if err := json.Unmarshal([]byte(c.reply(`"sessions":`)), &list); err != nil {
		s.t.Fatal(err)
	}
	out := make(map[string]string)
	for _, x := range list.Sessions {
		out[x.Alias] = x.ID
	}
	return out
}

// TestRunTemplates is storage.md §20 items 28, 29, 34 and 35: a template is
// found by a direct link, runs under the id of the lookup, is hidden and
// recorded meanwhile, and is offered again afterwards, under another id.
func TestRunTemplates(t *testing.T) {
	dir, sessions, records := t.TempDir(), filepath.Join(t.TempDir(), "s"), filepath.Join(t.TempDir(), "r")
	if err := os.WriteFile(filepath.Join(dir, "lobby.dptxt"), []byte(lobby), 0o600); err != nil {
		t.Fatal(err)
	}
	s := launch(t, "--templates", dir, "--sessions", sessions, "--record", filepath.Join(records, "%a %i.dprec"))
	if got := s.listed(); len(got) != 1 || got["lobby"] != "" {
		t.Fatalf("offered: %v", got)
	}
	ids := make(map[string]bool)
	for range 2 {
		c, _ := s.connect()
		c.cmd("cinfo", nil, s.addr, clientInfo("ann"))
		c.reply(`"cinfo"`)
		c.cmd("lookup", nil, "lobby")
		var found struct{ Session struct{ ID, Title string } }
		if err := json.Unmarshal([]byte(c.reply(`lookup OK!`)), &found); err != nil {
			t.Fatal(err)
		}
		id := found.Session.ID
		if found.Session.Title != "Lobby" || len(id) != 26 || ids[id] {
			t.Fatalf("lookup finds %+v", found)
		}
		ids[id] = true
		c.cmd("ident", nil, "ann")
		c.reply(`"identOk"`)
		c.cmd("join", clientInfo("ann"), id)
		c.reply(`"uniqueId":"` + id + `"`)
		if got := c.next(200); string(got) != "lobby" {
			t.Errorf("drawing %q", got)
		}
		// A second visitor, by name.
		s.joinAs("bea", "lobby", "").catchUp()
		if got := s.listed(); len(got) != 1 || got["lobby"] != id {
			t.Errorf("while it runs %v is listed, want %s", got, id)
		}
		for _, c := range s.clients {
			_ = c.conn.Close()
		}
		s.clients = nil
		s.await("the end of the session", func() bool { return s.listed()["lobby"] == "" })
		recorded := filepath.Join(records, "lobby "+id+".dprec")
		s.await("the recording", func() bool {
			b, _ := os.ReadFile(recorded)
			return bytes.Contains(b, []byte(`"server-recording":"true"`)) && bytes.Contains(b, []byte("lobby")) && bytes.Contains(b, []byte("bea"))
		})
	}
	if err := os.Rename(filepath.Join(dir, "lobby.dptxt"), filepath.Join(dir, "hall.dptxt")); err != nil {
		t.Fatal(err)
	}
	s.await("the renamed template", func() bool { _, ok := s.listed()["hall"]; return ok })
	if status := s.stop(syscall.SIGTERM); status != exitOK {
		t.Errorf("exit status %d", status)
	}
	if left, _ := filepath.Glob(filepath.Join(sessions, "*.session")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestRunBadTemplates tells file, line and reason, and goes on.
func TestRunBadTemplates(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"bad.dptxt": "!title=x\n!version=dp:4.24.0\n1 undo\n", "good.dptxt": lobby + "1 nonsense\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := launch(t, "--templates", dir)
	if _, ok := s.listed()["good"]; !ok || len(s.listed()) != 1 {
		t.Errorf("offered: %v", s.listed())
	}
	s.awaitLog("bad.dptxt: line 2: protocol version dp:4.24.0")
	s.awaitLog("good.dptxt, line 6: ")
	status, stdout, stderr := runOnce(t, "check", "--templates", dir)
	if status != exitOK || !strings.Contains(stdout, "1 usable templates") || !strings.Contains(stderr, "bad.dptxt: line 2: protocol version") {
		t.Errorf("check: status %d, %s%s", status, stdout, stderr)
	}
	if status, _, stderr := runOnce(t, "--templates", filepath.Join(dir, "none")); status != exitFailed || !strings.Contains(stderr, "create it") {
		t.Errorf("a missing folder: status %d, %s", status, stderr)
	}
}

// TestRunRecordings is storage.md §20 items 20, 27 and 28: a session that is
// not persistent survives a stop with people in it, and both lives of it are
// recorded, with and without session files.
func TestRunRecordings(t *testing.T) {
	records, sessions := t.TempDir(), filepath.Join(t.TempDir(), "s")
	s := launch(t, "--sessions", sessions, "--record", records)
	c, _ := s.connect()
	c.host("kept")
	c.write(frame.Append(nil, frame.Msg{Type: 200, User: 1, Body: []byte("drawn")}))
	c.next(200)
	s.signal(syscall.SIGTERM)
	<-s.done
	journals, _ := filepath.Glob(filepath.Join(sessions, "*.session"))
	if len(journals) != 1 {
		t.Fatalf("journals %v", journals)
	}
	id := strings.TrimSuffix(filepath.Base(journals[0]), ".session")
	s = launch(t, "--sessions", sessions, "--record", filepath.Join(records, "%i.dprec"))
	if got := s.listed(); got["kept"] != id {
		t.Errorf("after the stop %v is listed", got)
	}
	s.stop(syscall.SIGTERM)
	files, _ := filepath.Glob(filepath.Join(records, "*"+id+"*.dprec"))
	if len(files) != 2 {
		t.Fatalf("recordings %v", files)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		h, err := frame.ParseRecordingHead(b)
		if whole, _ := frame.Whole(b[h.Len:]); err != nil || whole != len(b)-h.Len {
			t.Errorf("%s: %d of %d bytes are whole messages, %v", name, whole, len(b)-h.Len, err)
		}
		if !bytes.Contains(b, []byte("drawn")) || !bytes.Contains(b, []byte("\x00\x00\x21\x01")) {
			t.Errorf("%s lacks the drawing or the leave", name)
		}
	}
	s = launch(t, "--record", filepath.Join(records, "memory.dprec"))
	c, _ = s.connect()
	c.host("")
	c.write(frame.Append(nil, frame.Msg{Type: 200, User: 1, Body: []byte("drawn")}))
	c.next(200) // it runs, so it is recorded
	s.stop(syscall.SIGTERM)
	if b, err := os.ReadFile(filepath.Join(records, "memory.dprec")); err != nil || !bytes.Contains(b, []byte("alice")) {
		t.Errorf("session in memory: %d bytes, %v", len(b), err)
	}
}
