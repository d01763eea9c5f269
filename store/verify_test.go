package store_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
	"testing"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/storetest"
)

const sumsDir = "sums"

func summed(o *store.Options) { o.Checksums = sumsDir }

// verdicts verifies the folder, keyed by id.
func verdicts(t testing.TB, fsys *storetest.FS, change ...func(*store.Verify)) map[string]*store.Verdict {
	t.Helper()
	o := store.Verify{Dir: dir, Checksums: sumsDir, FS: fsys}
	for _, f := range change {
		f(&o)
	}
	all := make(map[string]*store.Verdict)
	_, err := o.Each(func(v *store.Verdict) bool {
		all[v.ID] = v
		return true
	})
	must(t, err)
	return all
}

// drawn makes a stored session of n drawing messages of random content and
// returns its id and the bytes of its recording.
func drawn(t testing.TB, fsys *storetest.FS, n int) (id, recording string) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(1, uint64(n)))
	s := open(t, fsys, newClock(), summed)
	h, err := s.Create(store.Create{Founder: "f", Version: frame.OwnVersion, MaxUsers: 254})
	must(t, err)
	for range n {
		b := make([]byte, 100+rnd.IntN(400))
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		h.Log().Append(frame.Append(nil, frame.Msg{Type: 136, User: 1, Body: b}), 1)
		if rnd.IntN(50) == 0 {
			h.Kick()
			must(t, h.Flush())
		}
	}
	h.Kick()
	must(t, s.Close())
	return h.ID, get(t, fsys, h.ID+".dprec")
}

// TestVerifyDamage damages a recording of four blocks in every way and place:
// what is told, and what is left after salvaging.
func TestVerifyDamage(t *testing.T) {
	const n = 1000 // some 300 KB
	base := storetest.New(1)
	id, whole := drawn(t, base, n)
	head, all := messages(t, []byte(whole))
	if v := verdicts(t, base)[id]; v.Damaged() || v.Messages != n || v.Summed != int64(len(whole)-len(head)) {
		t.Fatalf("undamaged: %+v", v)
	}
	middle := len(whole) / 2
	for _, tt := range []struct {
		name       string
		damage     func(b []byte) []byte
		noSums     bool
		torn       bool // no damage, but an incomplete end
		lost       int  // messages, at most
		untold     bool // cannot be found without checksums
		wantReason string
	}{
		{name: "a byte of a payload", damage: func(b []byte) []byte { b[middle+40] ^= 1; return b }, lost: 1, wantReason: "checksum is wrong"},
		{name: "512 zeros", damage: func(b []byte) []byte { clear(b[middle : middle+512]); return b }, lost: 8, wantReason: "checksum is wrong"},
		{name: "4096 random bytes", damage: func(b []byte) []byte {
			rnd := rand.New(rand.NewPCG(2, 2))
			for i := range 4096 {
				b[middle+i] = byte(rnd.Uint32())
			}
			return b
		}, lost: 45, wantReason: "checksum is wrong"},
		{name: "the head", damage: func(b []byte) []byte { clear(b[:10]); return b }, lost: 1, wantReason: "the head cannot be read"},
		{name: "the last 100000 bytes are gone", damage: func(b []byte) []byte { return b[:len(b)-100000] }, torn: true, lost: 400, wantReason: "had been on the disk"},
		{name: "512 zeros, no checksums", noSums: true, damage: func(b []byte) []byte { clear(b[middle : middle+512]); return b }, lost: 8, wantReason: "not a message"},
		{name: "4096 zeros, no checksums", noSums: true, damage: func(b []byte) []byte { clear(b[middle : middle+4096]); return b }, lost: 45, wantReason: "not a message"},
		{name: "a byte of a payload, no checksums", noSums: true, damage: func(b []byte) []byte { b[middle+40] ^= 1; return b }, untold: true},
		{name: "torn, no checksums", noSums: true, damage: func(b []byte) []byte { return b[:len(b)-1] }, torn: true, lost: 1},
		{name: "zeros at the end, no checksums", noSums: true, damage: func(b []byte) []byte { return append(b, make([]byte, 100000)...) }, torn: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fsys := base.Reopen(storetest.ProcessKill)
			damaged := tt.damage([]byte(whole))
			fsys.Put(dir+"/"+id+".dprec", damaged)
			before := fmt.Sprint(fsys.Files(dir))
			v := verdicts(t, fsys, func(o *store.Verify) {
				o.Salvage = "salvaged"
				if tt.noSums {
					o.Checksums = ""
				}
			})[id]
			if v.Err != nil || v.SalvageErr != nil {
				t.Fatal(v.Err, v.SalvageErr)
			}
			if after := fmt.Sprint(fsys.Files(dir)); after != before {
				t.Error("the folder has changed")
			}
			if v.Damaged() != (tt.wantReason != "") || (v.Torn > 0) != tt.torn {
				t.Fatalf("damages %v, torn %d", v.Damages, v.Torn)
			}
			if tt.wantReason == "" {
				if v.Messages < int64(n-tt.lost) {
					t.Errorf("%d messages", v.Messages)
				}
				return
			}
			if d := v.Damages[0]; !strings.Contains(d.Reason, tt.wantReason) || d.From >= d.To {
				t.Errorf("damages %v", v.Damages)
			}
			if v.Messages < int64(n-tt.lost) {
				t.Errorf("%d of %d messages are left, more than %d are lost; damages %v, middle %d, torn %d", v.Messages, n, tt.lost, v.Damages, middle, v.Torn)
			}
			// What is salvaged is a session, and all of it is from the old one.
			s := open(t, fsys, newClock(), func(o *store.Options) { o.Dir = "salvaged" })
			h := loadOne(t, s)
			_, kept := messages(t, append(frameHead(t), history(t, h)...))
			i, strange := 0, 0
			for _, m := range kept {
				at := i
				for at < len(all) && !bytes.Equal(all[at], m) {
					at++
				}
				if at == len(all) {
					strange++ // damaged, or built from damaged bytes
					continue
				}
				i = at + 1
			}
			if strange > 3 || int64(len(kept)) != v.Messages {
				t.Errorf("%d of %d salvaged messages are not those that were stored", strange, len(kept))
			}
		})
	}
}

// frameHead is any head, to put messages behind.
func frameHead(t testing.TB) []byte {
	head, err := frame.AppendRecordingHead(nil, frame.SessionMeta("dp:4.25.1", -1))
	must(t, err)
	return head
}

// TestVerifyCrash: whatever a crash leaves, nothing counts as damaged.
func TestVerifyCrash(t *testing.T) {
	for seed := range uint64(40) {
		for _, loss := range []storetest.Loss{storetest.ProcessKill, storetest.PowerCut, storetest.PartialPowerCut} {
			rnd := rand.New(rand.NewPCG(seed, uint64(loss)))
			fsys := storetest.New(seed)
			s := open(t, fsys, newClock(), summed)
			h, err := s.Create(store.Create{Founder: "f", Version: frame.OwnVersion, MaxUsers: 254})
			must(t, err)
			h.Log().Append(frame.AppendLeave(nil, 1), 1)
			must(t, h.Flush())
			fsys.CrashAt(int64(1 + rnd.IntN(60)))
			for range 400 {
				h.Log().Append(frame.Append(nil, frame.Msg{Type: 136, User: 1, Body: bytes.Repeat([]byte{byte(seed)}, 1+rnd.IntN(3000))}), 1)
				if rnd.IntN(8) == 0 && h.Flush() != nil {
					break
				}
			}
			_ = s.Close()
			after := fsys.Reopen(loss)
			v := verdicts(t, after)[h.ID]
			if v == nil || v.Damaged() {
				t.Fatalf("seed %d, %v: %+v", seed, loss, v)
			}
			// And the next run goes on from there, checksums included.
			again := open(t, after, newClock(), summed)
			g := loadOne(t, again)
			g.Log().Append(frame.Append(nil, frame.Msg{Type: 136, User: 1, Body: make([]byte, 60000)}), 1)
			g.Log().Append(frame.Append(nil, frame.Msg{Type: 136, User: 1, Body: make([]byte, 60000)}), 1)
			g.Kick()
			must(t, again.Close())
			v = verdicts(t, after)[h.ID]
			if size := int64(len(get(t, after, h.ID+".dprec"))); v.Damaged() || v.Torn != 0 || v.Summed < size-100 {
				t.Fatalf("seed %d, %v, after another run: %+v of %d bytes", seed, loss, v, size)
			}
		}
	}
}

// TestChecksumsGo: they go with their recording, and nobody needs them.
func TestChecksumsGo(t *testing.T) {
	fsys := storetest.New(1)
	id, _ := drawn(t, fsys, 10)
	if files := fsys.Files(sumsDir); len(files) != 1 || files[id+".dprec.sums"] == nil {
		t.Fatalf("files %q", files)
	}
	fsys.Put(sumsDir+"/gone.dprec.sums", []byte("x"))
	fsys.Put(sumsDir+"/"+id+".dprec.sums", []byte("not checksums"))
	s := open(t, fsys, newClock(), summed)
	loadOne(t, s)
	if fsys.Files(sumsDir)["gone.dprec.sums"] != nil {
		t.Error("checksums without a recording stay")
	}
	must(t, s.Close())
	if v := verdicts(t, fsys)[id]; v.Damaged() || v.Summed == 0 {
		t.Errorf("begun anew: %+v", v)
	}
	s = open(t, fsys, newClock(), summed)
	loadOne(t, s).Remove()
	if files := fsys.Files(sumsDir); len(files) != 0 {
		t.Errorf("after the end: %q", files)
	}
	// A disk that refuses them only ends them.
	s = open(t, fsys, newClock(), summed)
	h, err := s.Create(store.Create{Founder: "f", Version: frame.OwnVersion, MaxUsers: 254})
	must(t, err)
	fsys.Fail(storetest.Create, fs.ErrPermission)
	h.Log().Append(frame.Append(nil, frame.Msg{Type: 136, User: 1, Body: make([]byte, 60000)}), 1)
	h.Log().Append(frame.Append(nil, frame.Msg{Type: 136, User: 1, Body: make([]byte, 60000)}), 1)
	h.Kick()
	must(t, h.Flush())
	must(t, s.Close())
}
