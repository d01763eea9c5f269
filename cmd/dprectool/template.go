package main

import (
	"errors"
	"flag"
	"fmt"
	"io"

	"drawrelay/frame"
	"drawrelay/store/password"
	"drawrelay/store/recording"
	"drawrelay/store/template"
)

// templateTexts and templateFlags are the header entries a template may have,
// with their options (storage.md §16.3).
var (
	templateTexts = []struct{ option, key, help string }{
		{"title", "title", "session title"},
		{"founder", "founder", "name shown as the founder"},
		{"max-users", "maxUserCount", "most users, 1 to 254 (default 25)"},
		{"password", "password", "session password: plain text, which is hashed, or a hash"},
		{"opword", "opword", "operator password, likewise"},
		{"announce", "announce", "URL of a listing server to announce sessions at"},
	}
	templateFlags = []struct{ option, key, help string }{
		{"nsfm", "nsfm", "not suitable for minors"},
		{"persistent", "persistent", "stays when empty"},
		{"preserve-chat", "preserveChat", "clients record chat by default"},
		{"deputies", "deputies", "trusted users may kick"},
		{"auth-only", "authOnly", "no guests"},
		{"idle-override", "idleOverride", "exempt from the idle limit"},
		{"allow-web", "allowWeb", "browser clients may join"},
		{"invites", "invites", "invite codes are enabled"},
		{"unlisted", "unlisted", "hidden from lists"},
	}
)

// defineTemplate is "dprectool template".
func defineTemplate(flags *flag.FlagSet) func(*tool, []string) error {
	out := flags.String("o", "", "write to this `file`; .dprec or .dptxt chooses the form")
	skip := flags.Bool("skip", false, "leave out what cannot be read instead of giving up")
	var to form
	flags.Var(&to, "to", "`form` to write, text or binary (default: as it is read)")
	texts := make(map[string]*string)
	for _, o := range templateTexts {
		texts[o.key] = flags.String(o.option, "", o.help)
	}
	on := make(map[string]*bool)
	for _, o := range templateFlags {
		on[o.key] = flags.Bool(o.option, false, o.help)
	}
	return func(x *tool, args []string) error {
		s, err := x.open(args, *skip)
		if err != nil {
			return err
		}
		defer s.close()
		v, ok := s.Version()
		switch {
		case !ok:
			return s.problem(fmt.Errorf("the protocol version %q cannot be read", s.Value("version")))
		case v.Namespace != frame.OwnVersion.Namespace || v.Server != frame.ServerProtocol:
			return s.problem(fmt.Errorf("protocol version %v cannot be a template; only dp:%d can", v, frame.ServerProtocol))
		}
		f := to.choose(*out, s.Form)
		if f == recording.Text && v.Major != frame.OwnVersion.Major {
			return s.problem(fmt.Errorf("protocol version %v: as a template it must be binary; write -to binary", v))
		}
		fields, err := templateHeader(s.Fields, texts, on)
		if err != nil {
			return err
		}
		meta, err := frame.TextMetadata(fields)
		if err != nil {
			return err
		}
		kept := 0
		err = x.write(*out, f, meta, s.Schema(), func(w *recording.Writer) error {
			for {
				m, err := s.next()
				if err == io.EOF {
					break
				}
				if err != nil {
					return err
				}
				if m, keep := template.Admit(m, v); keep {
					kept++
					if err := w.Write(m); err != nil {
						return err
					}
				}
			}
			if kept == 0 {
				return s.problem(errors.New("it has no messages a session could begin with"))
			}
			return nil
		})
		return err
	}
}

// templateHeader is the version, what the recording has of a template's
// header, and what the options set.
func templateHeader(old []frame.HeaderField, texts map[string]*string, on map[string]*bool) ([]frame.HeaderField, error) {
	var keys []string
	values := map[string]string{}
	set := func(key, value string) {
		if value != "" {
			keys = append(keys, key)
			values[key] = value
		}
	}
	set("version", frame.HeaderValue(old, "version"))
	for _, o := range templateTexts {
		value := *texts[o.key]
		if value == "" {
			set(o.key, frame.HeaderValue(old, o.key))
			continue
		}
		if (o.key == "password" || o.key == "opword") && !password.Valid(value) {
			hash, err := password.Hash(value)
			if err != nil {
				return nil, err
			}
			value = hash
		}
		set(o.key, value)
	}
	for _, o := range templateFlags {
		value := frame.HeaderValue(old, o.key)
		if *on[o.key] {
			value = "true"
		}
		set(o.key, value)
	}
	fields := make([]frame.HeaderField, 0, len(keys))
	for _, key := range keys {
		fields = append(fields, frame.HeaderField{Key: key, Value: values[key]})
	}
	return fields, nil
}
