package template

import (
	"errors"
	"fmt"
	"os"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/recording"
)

// batchBytes is how much of a template is handed to the history at a time: it
// is on the disk before the next batch, so that memory does not grow with the
// template.
const batchBytes = 4 << 20

// ErrChanged says that a template's file is not any more what was checked when
// it was read. Another Look puts that right.
var ErrChanged = errors.New("the file has just been changed")

// Session describes the session to be made of the template; its id and
// threshold are the caller's. It may hash passwords: never on a loop.
func (t *Template) Session() (c store.Create, opword string, err error) {
	hash, err := t.password.stored()
	if err == nil {
		opword, err = t.opword.stored()
	}
	if err != nil {
		return c, "", fmt.Errorf("template %s: %w", t.Path, err)
	}
	return store.Create{
		Alias: t.Alias, Founder: t.Founder, Version: t.Version, MaxUsers: t.MaxUsers, PasswordHash: hash, Flags: t.Flags,
	}, opword, nil
}

// Fill puts the template's title, operator password, announcement and messages
// into a new session that is not live yet. It blocks: never on a loop. The
// file is read again; if it is not what was checked, the error is ErrChanged.
func (t *Template) Fill(h *store.History, opword string) error {
	f, err := os.Open(t.Path)
	if err != nil {
		return fmt.Errorf("template %s: %w", t.Path, err)
	}
	defer f.Close()
	if state, err := f.Stat(); err != nil || !sameState(state, t.state) {
		return fmt.Errorf("template %s: %w", t.Path, errors.Join(ErrChanged, err))
	}
	r, err := recording.NewReader(f)
	if err != nil {
		return fmt.Errorf("template %s: %w", t.Path, err)
	}
	if opword != "" {
		h.SetOpwordHash(opword)
	}
	h.SetTitle(t.Title)
	if t.Announce != "" {
		h.AddAnnouncement(t.Announce)
	}
	var batch []byte
	n := 0
	flush := func() error {
		if n == 0 {
			return nil
		}
		h.Log().Append(batch, n)
		batch, n = batch[:0], 0
		h.Kick()
		if err := h.Flush(); err != nil {
			return err
		}
		h.Log().Trim(h.Log().Size())
		return nil
	}
	copyTo := func(m frame.Msg) error {
		batch = frame.Append(batch, m)
		if n++; len(batch) >= batchBytes {
			return flush()
		}
		return nil
	}
	silent := &Template{Path: t.Path, Version: t.Version} // the warnings were told when it was loaded
	if err := silent.walk(r, copyTo); err != nil {
		return fmt.Errorf("template %s: %w", t.Path, err)
	}
	if err := flush(); err != nil {
		return fmt.Errorf("template %s: %w", t.Path, err)
	}
	if h.Log().Count() != int64(t.Messages) {
		return fmt.Errorf("template %s: %w", t.Path, ErrChanged) // while it was read
	}
	return nil
}
