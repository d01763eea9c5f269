//go:build linux

// Package machine starts server processes, says what they cost and how much
// else the machine did meanwhile. Linux only.
package machine

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ExecOn is the sub-command of this binary that runs a command on one
// processor: "exec-on CPU COMMAND ARG…".
const ExecOn = "exec-on"

// Process is a server that was started here.
type Process struct {
	PID int

	cmd  *exec.Cmd
	log  string
	done chan struct{}
	err  error // how it ended; valid after done is closed
}

// Start starts a command with its output in the file log. With cpu >= 0 the
// process and all its threads run on that processor only.
func Start(argv []string, cpu int, log string) (*Process, error) {
	if len(argv) == 0 {
		return nil, errors.New("empty command")
	}
	if cpu >= 0 {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		argv = append([]string{self, ExecOn, strconv.Itoa(cpu)}, argv...)
	}
	out, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p := &Process{cmd: exec.Command(argv[0], argv[1:]...), log: log, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start server: %w", err)
	}
	p.PID = p.cmd.Process.Pid
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// Ended waits a moment for the process to end. If it has, the error says how,
// with the part of its output that matters.
func (p *Process) Ended(wait time.Duration) (bool, error) {
	select {
	case <-p.done:
		return true, fmt.Errorf("the server has ended (%v):\n%s", p.err, p.tail())
	case <-time.After(wait):
		return false, nil
	}
}

// tail returns what matters of the output: the reason of a crash and what
// follows it, or else the end.
func (p *Process) tail() []byte {
	b, _ := os.ReadFile(p.log)
	const most = 1500 // bytes
	for _, reason := range []string{"panic: ", "fatal error: ", "SIG"} {
		if i := bytes.Index(b, []byte("\n"+reason)); i >= 0 {
			return bytes.TrimSpace(b[i:min(len(b), i+most)])
		}
	}
	return bytes.TrimSpace(b[max(0, len(b)-most):])
}

// stopTimeout is how long a server may take to end before it is killed.
const stopTimeout = 10 * time.Second

// Stop asks the process group to end and kills it if it does not.
func (p *Process) Stop() error {
	unix.Kill(-p.PID, unix.SIGTERM)
	select {
	case <-p.done:
		unix.Kill(-p.PID, unix.SIGKILL) // children left behind
		return nil
	case <-time.After(stopTimeout):
	}
	unix.Kill(-p.PID, unix.SIGKILL)
	<-p.done
	return fmt.Errorf("the server did not end within %v of SIGTERM and was killed", stopTimeout)
}

// RunExecOn carries out the sub-command ExecOn; it returns only on failure.
func RunExecOn(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("usage: %s CPU COMMAND ARG…", ExecOn)
	}
	cpu, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	path, err := exec.LookPath(args[1])
	if err != nil {
		return err
	}
	runtime.LockOSThread()
	if err := pinThread(cpu); err != nil {
		return err
	}
	return unix.Exec(path, args[1:], os.Environ())
}

func pinThread(cpu int) error {
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("pin to processor %d: %w", cpu, err)
	}
	return nil
}

// Pin moves all threads of this process to one processor; threads made later
// inherit it.
func Pin(cpu int) error {
	var set unix.CPUSet
	set.Set(cpu)
	// Threads made while the list is read come from threads that are moved
	// already on the second pass.
	for range 2 {
		tasks, err := filepath.Glob("/proc/self/task/*")
		if err != nil {
			return err
		}
		for _, t := range tasks {
			id, _ := strconv.Atoi(filepath.Base(t))
			if err := unix.SchedSetaffinity(id, &set); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("pin to processor %d: %w", cpu, err)
			}
		}
	}
	return nil
}
