package hasher

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"time"
)

// process is one that runs Work. It belongs to whoever took it from the slots.
type process struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	to   *json.Encoder
	from *json.Decoder
	used time.Time // the last time it answered
	// patience is how long it may take for an answer.
	patience time.Duration
	hurry    bool // it gets a share of the processor even on a busy machine
}

func startProcess(ctx context.Context, command []string) (*process, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	// One hash at a time; Work collects its garbage after each.
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=off", "GOMEMLIMIT=off")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &process{cmd: cmd, in: in, to: json.NewEncoder(in), from: json.NewDecoder(out), used: time.Now()}, nil
}

// ask has one request worked on. After an error the process is of no more use.
func (p *process) ask(q request) (a answer, err error) {
	late := time.AfterFunc(p.patience, func() { _ = p.cmd.Process.Kill() }) // it may just have ended
	defer late.Stop()
	q.Hurry = p.hurry
	if err := p.to.Encode(q); err != nil {
		return a, err
	}
	if err = p.from.Decode(&a); errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return a, err
}

// end ends the process, which does nothing but wait for work, or is of no use.
func (p *process) end() {
	_ = p.in.Close() // it ends when it has read to the end
	late := time.AfterFunc(idleAfter, func() { _ = p.cmd.Process.Kill() })
	defer late.Stop()
	_ = p.cmd.Wait() // how it ended is of no interest
}
