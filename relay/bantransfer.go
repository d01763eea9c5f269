package relay

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"regexp"

	"golang.org/x/crypto/nacl/secretbox"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/serverlog"
)

const (
	// cryptKeySize is the length of the key for exported bans in bytes.
	cryptKeySize = 32
	// cryptNonceSize is the length of a nonce of XSalsa20 in bytes.
	cryptNonceSize = 24
	// maxBanText bounds the unpacked JSON of an import in bytes: 1000 bans of
	// 1 KiB each. A message of 64 KiB could unpack to a thousand times itself.
	maxBanText = 1 << 20
)

// transferFailure is an answer to export-bans or import-bans: a translation
// key and its text (commands.md §4).
type transferFailure struct{ key, text string }

func (e *transferFailure) Error() string { return e.text }

var (
	errBanExportModOnly      = &transferFailure{"banexportmodonly", "Only moderators can export plain bans."}
	errBanExportServerError  = &transferFailure{"banexportservererror", "Server error."}
	errBanExportUnconfigured = &transferFailure{"banexportunconfigured", "Exporting encrypted bans not configured on this server."}
	errBanImportCrypt        = &transferFailure{"banimportcrypterror", "The server couldn't read the import data. This is likely " +
		"because it was exported from a different server. You can only import bans into the same server they were exported from."}
	errBanImportInvalid      = &transferFailure{"banimportinvalid", "Invalid import data."}
	errBanImportMalformed    = &transferFailure{"banimportmalformed", "Malformed import data."}
	errBanImportUnconfigured = &transferFailure{"banimportunconfigured", "Importing encrypted bans not configured on this server."}
)

func (s *session) tellTransferFailure(st *seat, err error) {
	var f *transferFailure
	if !errors.As(err, &f) {
		f = errBanExportServerError
	}
	s.tell(st, frame.Object{"type": "banimpex", "error": f.text, "T": f.key})
}

// exportBans sends the ban list as a text that import-bans takes: plain for
// moderators, else encrypted with the server's key (commands.md §8.11).
func (s *session) exportBans(st *seat, c frame.Command) error {
	plain := frame.Bool(c.Kwargs["plain"])
	switch {
	case plain && !st.person.Moderator():
		s.tellTransferFailure(st, errBanExportModOnly)
		return nil
	case !plain && len(s.cryptKey) != cryptKeySize:
		s.tellTransferFailure(st, errBanExportUnconfigured)
		return nil
	}
	bans := s.hist.Bans.All()
	var text string
	var err error
	s.offload(func() {
		if plain {
			text, err = packBans(bans)
		} else {
			text, err = sealBans(bans, s.cryptKey, s.rand)
		}
	}, func() {
		switch {
		case st.gone:
		case err != nil:
			s.log.Put(serverlog.Entry{Level: serverlog.Error, Topic: serverlog.BanImpEx,
				Message: "Error encrypting ban list from session " + s.hist.ID})
			s.tellTransferFailure(st, errBanExportServerError)
		default:
			kind := "encrypted"
			if plain {
				kind = "plain"
			}
			s.log.Put(serverlog.Entry{Level: serverlog.Info, Topic: serverlog.BanImpEx,
				Message: "Exported " + kind + " bans from session " + s.hist.ID})
			s.tell(st, frame.Object{"type": "banimpex", "export": text})
		}
	})
	return nil
}

// importBans adds exported bans to the list (commands.md §8.12). What an
// importer could say about itself is left out, as with any ban.
func (s *session) importBans(st *seat, c frame.Command) error {
	if len(c.Args) != 1 {
		return errors.New("Expected one argument: bans")
	}
	text := frame.Str(c.Args[0])
	s.slow(st, func(done func()) {
		var bans []store.Ban
		var err error
		s.offload(func() { bans, err = unpackBans(text, s.cryptKey) }, func() {
			if err != nil {
				s.tellTransferFailure(st, err)
			} else if s.state != stateShutdown {
				s.addImported(st, bans)
			}
			done()
		})
	})
	return nil
}

func (s *session) addImported(st *seat, bans []store.Ban) {
	imported := 0
	for _, b := range bans {
		if _, ok := s.hist.AddBan(b, st.person); ok {
			imported++
		}
	}
	if imported > 0 {
		s.sendBans()
		s.out.publish()
	}
	s.log.Put(serverlog.Entry{Level: serverlog.Info, Topic: serverlog.BanImpEx,
		Message: fmt.Sprintf("Imported %d/%d bans into session %s", imported, len(bans), s.hist.ID)})
	s.tell(st, frame.Object{"type": "banimpex", "imported": imported, "total": len(bans)})
}

// bansDocument is the JSON of an export (session.md §19).
type bansDocument struct {
	List    []banItem `json:"l"`
	Version int       `json:"v"`
}

type banItem struct {
	AuthID   string `json:"a,omitempty"`
	By       string `json:"b,omitempty"`
	Addr     string `json:"i,omitempty"`
	SystemID string `json:"s,omitempty"`
	Name     string `json:"u,omitempty"`
}

// compressBans gives the uncompressed length, 4 bytes big-endian, and a zlib
// stream.
func compressBans(bans []store.Ban) ([]byte, error) {
	doc := bansDocument{List: make([]banItem, 0, len(bans)), Version: 1}
	for i := range bans {
		b := &bans[i]
		doc.List = append(doc.List, banItem{AuthID: b.AuthID, By: b.By, Addr: b.AddrText(), SystemID: b.SystemID, Name: b.Name})
	}
	text, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("compress bans: %w", err)
	}
	var buf bytes.Buffer
	_ = binary.Write(&buf, binary.BigEndian, uint32(len(text)))
	z := zlib.NewWriter(&buf)
	_, err = z.Write(text)
	if err = errors.Join(err, z.Close()); err != nil {
		return nil, fmt.Errorf("compress bans: %w", err)
	}
	return buf.Bytes(), nil
}

func packBans(bans []store.Ban) (string, error) {
	z, err := compressBans(bans)
	return "p" + base64.StdEncoding.EncodeToString(z), err
}

func sealBans(bans []store.Ban, key []byte, random io.Reader) (string, error) {
	z, err := compressBans(bans)
	if err != nil {
		return "", err
	}
	var nonce [cryptNonceSize]byte
	if _, err := io.ReadFull(random, nonce[:]); err != nil {
		return "", fmt.Errorf("encrypt bans: %w", err)
	}
	box := secretbox.Seal(nil, z, &nonce, (*[cryptKeySize]byte)(key))
	return "c" + base64.StdEncoding.EncodeToString(nonce[:]) + ":" + base64.StdEncoding.EncodeToString(box), nil
}

var (
	plainBans  = regexp.MustCompile(`^p([a-zA-Z0-9+/=]+)$`)
	sealedBans = regexp.MustCompile(`^c([a-zA-Z0-9+/=]+):([a-zA-Z0-9+/=]+)$`)
)

// unpackBans reads an export. The bans have no numbers yet; entries without
// any part to match are left out.
func unpackBans(text string, key []byte) ([]store.Ban, error) {
	var z []byte
	if m := plainBans.FindStringSubmatch(text); m != nil {
		var err error
		if z, err = base64.StdEncoding.DecodeString(m[1]); err != nil || len(z) == 0 {
			return nil, errBanImportMalformed
		}
	} else if m := sealedBans.FindStringSubmatch(text); m != nil {
		nonce, err1 := base64.StdEncoding.DecodeString(m[1])
		box, err2 := base64.StdEncoding.DecodeString(m[2])
		if err1 != nil || err2 != nil || len(nonce) != cryptNonceSize || len(box) < secretbox.Overhead {
			return nil, errBanImportMalformed
		}
		if len(key) != cryptKeySize {
			return nil, errBanImportUnconfigured
		}
		var ok bool
		if z, ok = secretbox.Open(nil, box, (*[cryptNonceSize]byte)(nonce), (*[cryptKeySize]byte)(key)); !ok {
			return nil, errBanImportCrypt
		}
	} else {
		return nil, errBanImportMalformed
	}
	return decompressBans(z)
}

func decompressBans(z []byte) ([]store.Ban, error) {
	if len(z) < 4 {
		return nil, errBanImportInvalid
	}
	r, err := zlib.NewReader(bytes.NewReader(z[4:]))
	if err != nil {
		return nil, errBanImportInvalid
	}
	text, err := io.ReadAll(io.LimitReader(r, maxBanText+1))
	if err != nil || len(text) > maxBanText {
		return nil, errBanImportInvalid
	}
	var doc struct {
		List    []any `json:"l"`
		Version any   `json:"v"`
	}
	if json.Unmarshal(text, &doc) != nil || doc.List == nil || frame.Int(doc.Version) != 1 {
		return nil, errBanImportInvalid
	}
	var bans []store.Ban
	for _, v := range doc.List {
		item, _ := v.(map[string]any)
		name, authID, systemID := frame.Str(item["u"]), frame.Str(item["a"]), frame.Str(item["s"])
		addrText := frame.Str(item["i"])
		if name == "" && authID == "" && systemID == "" && addrText == "" {
			continue
		}
		addr, _ := netip.ParseAddr(addrText) // an unreadable address is none
		bans = append(bans, store.Ban{Name: name, AuthID: authID, SystemID: systemID, Addr: addr, By: frame.Str(item["b"])})
	}
	return bans, nil
}
