package store_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"drawrelay/frame"
	"drawrelay/store"
)

// benchmarkFolder writes sessions of size bytes each, with messages like those
// of people drawing: mostly strokes of some ten bytes, now and then an image.
func benchmarkFolder(b *testing.B, sessions int, size int) string {
	dir := b.TempDir()
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range sessions {
		id := fmt.Sprintf("01hf7yat00000g40r40m30e%03d", i)
		rec, err := frame.AppendRecordingHead(nil, frame.SessionMeta("dp:4.25.1", -1))
		if err != nil {
			b.Fatal(err)
		}
		rec = frame.AppendJoin(rec, 1, 0, "alice", nil)
		for len(rec) < size {
			n := 20 + rnd.IntN(100)
			if rnd.IntN(500) == 0 {
				n = rnd.IntN(frame.MaxPayload)
			}
			rec = frame.Append(rec, frame.Msg{Type: 148, User: 1, Body: make([]byte, n)})
		}
		rec = frame.AppendLeave(rec, 1)
		journal := "FILE " + id + ".dprec\nFOUNDER alice\nUSER 1 alice\n"
		for name, data := range map[string][]byte{".dprec": rec, ".session": []byte(journal)} {
			if err := os.WriteFile(filepath.Join(dir, id+name), data, 0o600); err != nil {
				b.Fatal(err)
			}
		}
	}
	return dir
}

// BenchmarkLoad loads 50 sessions of 5 MB, as at the start of a server whose
// files are in the page cache: files that need nothing, files as a stop in
// order leaves them (one line is written and synced for each), and files as a
// crash leaves them (a leave is written and synced for each).
func BenchmarkLoad(b *testing.B) {
	const sessions, size = 50, 5_000_000
	for _, kind := range []string{"untouched", "stopped", "crashed"} {
		b.Run(kind, func(b *testing.B) {
			dir := benchmarkFolder(b, sessions, size)
			b.SetBytes(sessions * size)
			for b.Loop() {
				s, err := store.Open(store.Options{Dir: dir})
				if err != nil {
					b.Fatal(err)
				}
				all, err := s.Load()
				if err != nil || len(all) != sessions {
					b.Fatalf("%d sessions, %v", len(all), err)
				}
				b.StopTimer()
				for _, h := range all {
					if kind == "crashed" {
						h.Log().Append(frame.AppendJoin(nil, 7, 0, "bob", nil), 1)
					}
					if kind == "stopped" {
						err = h.Close()
					} else {
						err = h.Durable.Close() // without the note of a stop
					}
					if err != nil {
						b.Fatal(err)
					}
				}
				if err := s.Close(); err != nil && kind == "stopped" {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}
