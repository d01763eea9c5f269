package login

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/cloudflare/circl/sign/ed25519"
)

// Text of a token of the authentication server (integrations.md §3.5), every
// part in base64:
//
//	1.PAYLOAD.SIGNATURE
//	2.PAYLOAD.AVATAR.SIGNATURE
//
// The signature covers the text before the last dot as it stands.

// token is a token whose signature is good.
type token struct {
	payload []byte
	avatar  []byte
}

var errToken = errors.New("token: malformed or not signed by the expected key")

// openToken checks the form and the signature of a token.
func openToken(text string, key []byte) (token, error) {
	parts := strings.Split(text, ".")
	if !(len(parts) == 3 && parts[0] == "1") && !(len(parts) == 4 && parts[0] == "2") {
		return token{}, errToken
	}
	last := len(parts) - 1
	signature := lenientBase64(parts[last])
	signed := text[:len(text)-len(parts[last])-1]
	t := token{payload: lenientBase64(parts[1])}
	if len(parts) == 4 {
		t.avatar = lenientBase64(parts[2])
	}
	if len(t.payload) == 0 || len(signature) != ed25519.SignatureSize || len(key) != ed25519.PublicKeySize ||
		!ed25519.Verify(ed25519.PublicKey(key), []byte(signed), signature) {
		return token{}, errToken
	}
	return t, nil
}

// claims is what a token says about its owner.
type claims struct {
	name    string
	flags   []string // not empty ones
	uid     string   // second part of the auth id
	numeric bool     // the token had a number as uid
	number  int64
}

// claims reads the payload. ok is false if it was not made for this nonce and
// group, or lacks a name.
func (t token) claims(nonce uint64, group string) (cl claims, ok bool) {
	dec := json.NewDecoder(bytes.NewReader(t.payload))
	dec.UseNumber()
	var doc map[string]any
	if dec.Decode(&doc) != nil || dec.More() {
		return claims{}, false
	}
	text, _ := doc["nonce"].(string)
	if n, err := strconv.ParseUint(text, 16, 64); err != nil || n != nonce {
		return claims{}, false
	}
	if cl.name, _ = doc["username"].(string); cl.name == "" {
		return claims{}, false
	}
	if flags, has := doc["flags"]; has {
		list, isList := flags.([]any)
		if !isList {
			return claims{}, false
		}
		for _, f := range list {
			if s, _ := f.(string); s != "" {
				cl.flags = append(cl.flags, s)
			}
		}
	}
	if group == "" {
		if doc["group"] != nil {
			return claims{}, false
		}
	} else if g, _ := doc["group"].(string); g != group {
		return claims{}, false
	}
	switch uid := doc["uid"].(type) {
	case string:
		cl.uid = uid
	case json.Number:
		cl.number, cl.numeric = truncated(uid), true
		cl.uid = strconv.FormatInt(cl.number, 10)
	}
	if cl.uid == "" {
		cl.uid = cl.name
	}
	return cl, true
}

// truncated returns a JSON number without its fraction. Those beyond all user
// numbers are the least one, as for the reference, which nobody has.
func truncated(n json.Number) int64 {
	if i, err := n.Int64(); err == nil {
		return i
	}
	f, err := n.Float64()
	if err != nil || f < -1<<63 || f >= 1<<63 {
		return math.MinInt64
	}
	return int64(f)
}

// lenientBase64 decodes the standard alphabet, with or without padding, and
// skips everything else.
func lenientBase64(s string) []byte {
	clean := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch b := s[i]; {
		case b >= 'A' && b <= 'Z', b >= 'a' && b <= 'z', b >= '0' && b <= '9', b == '+', b == '/':
			clean = append(clean, b)
		}
	}
	if len(clean)%4 == 1 {
		clean = clean[:len(clean)-1] // six bits are no byte
	}
	n, _ := base64.RawStdEncoding.Decode(clean, clean) // only alphabet is left
	return clean[:n]
}
