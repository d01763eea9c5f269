package login

import (
	"bytes"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"drawrelay/frame"
	"drawrelay/store/serverlog"
)

// infoKeys are the client info values that are kept (login.md §8).
var infoKeys = [...]string{"app_version", "protocol_version", "qt_version", "os", "s", "m"}

// infoSystemID is the key of the system id.
const infoSystemID = "s"

var (
	// appVersion is wider than the reference's pattern, which refuses 2.10.0.
	appVersion = regexp.MustCompile(`^[0-9]+\.[0-9+]+\.[0-9]+`)
	systemIDs  = regexp.MustCompile(`^([0-9a-fA-F]{32})(?:/([0-9a-fA-F]{32}))?$`)
)

// clientInfo is the cinfo step (login.md §8).
func (c *conn) clientInfo(cmd frame.Command) error {
	if c.infoDone {
		return errInfoDone
	}
	host, isString := cmd.Arg(0).(string)
	values, isObject := cmd.Arg(1).(map[string]any)
	if len(cmd.Args) != 2 || !isString || !isObject {
		return errInfoSyntax
	}
	info := extractInfo(values)
	defer c.logInfo(info, "")
	if !appVersion.MatchString(info["app_version"]) {
		return errBadVersion
	}
	if err := c.checkSystemID(info[infoSystemID], true); err != nil {
		return err
	}
	if ours := c.server.cfg.LocalHost; ours != "" && !c.server.isLocalHost(host) {
		level := serverlog.Warn
		if c.matchHost {
			level = serverlog.Error
		}
		c.log(level, serverlog.RuleBreak, "Client host name '"+host+"' is not our host name '"+ours+"'")
		if c.matchHost {
			return errMismatchedHost
		}
	}
	c.info, c.infoDone = info, true
	c.show()
	if c.state == waitForClientInfo {
		c.state = c.afterInfo()
	}
	c.result("Client info OK!", frame.Object{"cinfo": frame.Object{"browser": c.browser}})
	return nil
}

// commandInfo takes the client info out of host or join. It must equal what
// cinfo said, if there was one.
func (c *conn) commandInfo(cmd frame.Command) error {
	info := extractInfo(cmd.Kwargs)
	if !c.infoDone {
		c.info = info
		return nil
	}
	for _, key := range infoKeys {
		ours, had := c.info[key]
		theirs, has := info[key]
		if had != has || ours != theirs {
			c.log(serverlog.Error, serverlog.RuleBreak, "Mismatched client info '"+key+"'")
			return &violation{"mismatched client info"}
		}
	}
	return nil
}

// extractInfo keeps the known string values, trimmed and cut.
func extractInfo(values map[string]any) map[string]string {
	info := make(map[string]string, len(infoKeys))
	for _, key := range infoKeys {
		if v := cutUnits(strings.TrimSpace(frame.Str(values[key])), maxInfoUnits); v != "" {
			info[key] = v
		}
	}
	return info
}

// checkSystemID applies the rules for system ids and looks up bans
// (login.md §8.1).
func (c *conn) checkSystemID(sid string, required bool) error {
	if sid == "" {
		if required {
			c.log(serverlog.Error, serverlog.RuleBreak, "Missing required client info")
			return &violation{"missing required client info"}
		}
		c.systemID = ""
		return nil
	}
	parts := systemIDs.FindStringSubmatch(sid)
	if parts == nil {
		c.log(serverlog.Error, serverlog.RuleBreak, "Invalid client info "+sid)
		return &violation{"invalid client info"}
	}
	c.systemID = sid
	if c.ban == nil {
		c.lookupSystemBan(parts[1])
	}
	if c.ban == nil && parts[2] != "" {
		c.lookupSystemBan(parts[2])
	}
	if c.ban == nil {
		c.systemID = parts[1]
	}
	return nil
}

// infoText returns the log text of client info: compact JSON with sorted keys.
func (c *conn) infoText(info map[string]string, authID string) string {
	doc := maps.Clone(info)
	if doc == nil {
		doc = make(map[string]string, 2)
	}
	if c.addr.IsValid() {
		doc["address"] = c.addr.String()
	}
	if authID != "" {
		doc["auth_id"] = authID
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(doc) // a map of strings always encodes
	return strings.TrimSuffix(buf.String(), "\n")
}

// logInfo writes a ClientInfo entry if it differs from the last one
// (login.md §16).
func (c *conn) logInfo(info map[string]string, authID string) {
	text := c.infoText(info, authID)
	if text != c.infoLog {
		c.infoLog = text
		c.log(serverlog.Info, serverlog.ClientInfo, text)
	}
}

// units returns the length of s in UTF-16 units.
func units(s string) int {
	n := 0
	for _, r := range s {
		n += runeUnits(r)
	}
	return n
}

// cutUnits cuts s to at most limit UTF-16 units, never inside a character.
func cutUnits(s string, limit int) string {
	n := 0
	for i, r := range s {
		if n += runeUnits(r); n > limit {
			return s[:i]
		}
	}
	return s
}

// cutBytes cuts s to at most limit bytes, never inside a character.
func cutBytes(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

func runeUnits(r rune) int {
	if r > 0xffff && r <= utf8.MaxRune {
		return 2
	}
	return 1
}

// sortedKeys returns the keys of m in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// isLocalHost reports whether a client means this server by a name.
func (s *Server) isLocalHost(name string) bool {
	return strings.EqualFold(name, s.cfg.LocalHost) ||
		slices.ContainsFunc(s.cfg.LocalHostForms, func(form string) bool { return strings.EqualFold(name, form) })
}
