//go:build linux

package machine

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Target is a process whose usage is read, with all its descendants (a server
// may be started by a script).
type Target struct {
	pids []int
}

// NewTarget finds the process and its present descendants.
func NewTarget(pid int) *Target { return &Target{pids: family(pid)} }

// family returns pid and its descendants.
func family(pid int) []int {
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", all[i]))
		for _, l := range lists {
			b, _ := os.ReadFile(l)
			for _, f := range strings.Fields(string(b)) {
				if n, err := strconv.Atoi(f); err == nil {
					all = append(all, n)
				}
			}
		}
	}
	return all
}

// CPU returns the processor time used so far by all threads, also those that
// have ended. It is exact to nanoseconds where the kernel lets us read the
// process's clock, else to 10 ms.
func (t *Target) CPU() time.Duration {
	var sum time.Duration
	for _, pid := range t.pids {
		sum += cpuOf(pid)
	}
	return sum
}

func cpuOf(pid int) time.Duration {
	var ts unix.Timespec
	// The kernel's number for "time used by process pid".
	if unix.ClockGettime(int32(^uint32(pid)<<3|2), &ts) == nil {
		return time.Duration(ts.Nano())
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// utime and stime are the 12th and 13th field after the name's bracket.
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(f) < 13 {
		return 0
	}
	u, _ := strconv.ParseInt(f[11], 10, 64)
	s, _ := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(u+s) * tick
}

// tick is the unit of times in /proc: USER_HZ is 100 on all Linux platforms.
const tick = 10 * time.Millisecond

// Memory is what a process holds, in bytes.
type Memory struct {
	RSS  int64 // now
	Peak int64 // since the start or the last ResetPeak
}

// Memory reads the resident memory of the process family.
func (t *Target) Memory() Memory {
	var m Memory
	for _, pid := range t.pids {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		for _, line := range strings.Split(string(b), "\n") {
			key, value, _ := strings.Cut(line, ":")
			kb, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			switch key {
			case "VmRSS":
				m.RSS += kb << 10
			case "VmHWM":
				m.Peak += kb << 10
			}
		}
	}
	return m
}

// ResetPeak lets Peak start from the present RSS, if the kernel allows it.
func (t *Target) ResetPeak() {
	for _, pid := range t.pids {
		os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
	}
}

// SelfCPU returns the processor time used by this process.
func SelfCPU() time.Duration { return cpuOf(os.Getpid()) }

// busy returns the time that all processors have worked so far.
func busy() time.Duration {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(b), "\n")
	var sum int64
	// user nice system idle iowait irq softirq steal; guest times are in user.
	for i, f := range strings.Fields(line) {
		if n, err := strconv.ParseInt(f, 10, 64); err == nil && i >= 1 && i <= 8 && i != 4 && i != 5 {
			sum += n
		}
	}
	return time.Duration(sum) * tick
}

// Watch measures what a server costs between two moments.
type Watch struct {
	target    *Target
	start     time.Time
	cpu, self time.Duration
	busy      time.Duration
}

// Span is what happened between two moments.
type Span struct {
	Elapsed   time.Duration
	CPU       time.Duration // of the server
	Generator time.Duration // processor time of this process
	Others    float64       // processors that everything else kept busy on average
}

// NewWatch starts measuring. With a nil target, CPU will be 0.
func NewWatch(t *Target) *Watch {
	w := &Watch{target: t, busy: busy(), self: SelfCPU()}
	if t != nil {
		w.cpu = t.CPU()
	}
	w.start = time.Now()
	return w
}

// Stop returns what happened since the start. It may be called more than once.
func (w *Watch) Stop() Span {
	s := Span{Elapsed: time.Since(w.start), Generator: SelfCPU() - w.self}
	if w.target != nil {
		s.CPU = w.target.CPU() - w.cpu
	}
	if s.Elapsed > 0 {
		s.Others = max(0, float64(busy()-w.busy-s.CPU-s.Generator)/float64(s.Elapsed))
	}
	return s
}
