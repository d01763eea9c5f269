package main

import (
	"context"
	"errors"
	"fmt"

	"drawrelay/login"
	"drawrelay/relay"
	"drawrelay/store"
	"drawrelay/store/entry"
	"drawrelay/store/template"
)

// templates are the session templates of a folder, as login asks for them.
type templates struct {
	folder *template.Folder
	relay  *relay.Server
}

// openTemplates reads the template folder.
func (p *process) openTemplates(o *options) error {
	if o.templates == "" {
		return nil
	}
	folder, err := template.Open(o.templates, template.Options{
		NewID: p.store.NewID, Now: p.reloader.now,
		Log: p.put,
	})
	if err != nil {
		return fmt.Errorf("--templates %s: %w", o.templates, err)
	}
	p.templates = &templates{folder, p.relay}
	p.reloader.templates = folder
	return nil
}

// List implements login.Templates.
func (t *templates) List() []login.Template {
	list := t.folder.List()
	out := make([]login.Template, 0, len(list))
	for _, x := range list {
		out = append(out, describeTemplate(x))
	}
	return out
}

func describeTemplate(t *template.Template) login.Template {
	return login.Template{
		Alias: t.Alias, Version: t.Version.String(), MaxUsers: t.MaxUsers, Founder: t.Founder, Title: t.Title,
		HasPassword: t.HasPassword(), NSFM: t.Flags.Has(store.NSFM), AuthOnly: t.Flags.Has(store.AuthOnly),
		AllowWeb: t.Flags.Has(store.AllowWeb), Invites: t.Flags.Has(store.Invites), Unlisted: t.Flags.Has(store.Unlisted),
	}
}

// Lookup implements login.Templates.
func (t *templates) Lookup(aliasOrID string) (login.Template, string, bool) {
	x, id, ok := t.folder.Lookup(aliasOrID)
	if !ok {
		return login.Template{}, "", false
	}
	return describeTemplate(x), id, true
}

// Instantiate implements login.Templates.
func (t *templates) Instantiate(ctx context.Context, aliasOrID string) (*entry.Session, error) {
	s, err := t.instantiate(ctx, aliasOrID)
	if errors.Is(err, template.ErrChanged) {
		t.folder.Look()
		s, err = t.instantiate(ctx, aliasOrID)
	}
	return s, err
}

func (t *templates) instantiate(ctx context.Context, aliasOrID string) (*entry.Session, error) {
	x, id, ok := t.folder.Lookup(aliasOrID)
	if !ok {
		return nil, entry.ErrNotFound
	}
	c, opword, err := x.Session()
	if err != nil {
		return nil, err
	}
	c.ID = id
	s, err := t.relay.Instantiate(ctx, c, func(h *store.History) error { return x.Fill(h, opword) })
	if err == nil {
		t.folder.Used(x.Alias, s.ID)
	}
	return s, err
}
