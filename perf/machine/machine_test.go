//go:build linux

package machine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestUsageOfThisProcess(t *testing.T) {
	self := NewTarget(os.Getpid())
	w := NewWatch(self)
	before := self.CPU()
	block := make([]byte, 32<<20)
	for start := time.Now(); time.Since(start) < 30*time.Millisecond; {
		for i := range block {
			block[i]++
		}
	}
	s := w.Stop()
	if used := self.CPU() - before; used < 10*time.Millisecond || s.CPU < 10*time.Millisecond || s.Generator < 10*time.Millisecond {
		t.Errorf("got %v and %v of processor time, want about 30ms", used, s.CPU)
	}
	if m := self.Memory(); m.RSS < 32<<20 || m.Peak < m.RSS {
		t.Errorf("got %+v", m)
	}
}

func TestProcessIsStoppedAndReported(t *testing.T) {
	log := filepath.Join(t.TempDir(), "out")
	p, err := Start([]string{"sh", "-c", "sleep 100 & wait"}, -1, log)
	if err != nil {
		t.Fatal(err)
	}
	if ended, _ := p.Ended(0); ended {
		t.Error("ended at once")
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	p, err = Start([]string{"sh", "-c", "echo first; echo 'panic: no ink'; exit 3"}, -1, log)
	if err != nil {
		t.Fatal(err)
	}
	ended, why := p.Ended(10 * time.Second)
	if !ended || !strings.Contains(why.Error(), "exit status 3") || !strings.Contains(why.Error(), "no ink") || strings.Contains(why.Error(), "first") {
		t.Errorf("got %v, %v", ended, why)
	}
}
