package admin

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"drawrelay/frame"
	"drawrelay/store/config"
	"drawrelay/store/db"
)

type banListReply struct {
	Bans   any  `json:"bans"`
	Locked bool `json:"_locked"`
}

// banKind is what the three lists of bans differ in (admin-api.md §8).
type banKind struct {
	name   string
	list   func(s *db.State) any
	add    func(s *Server, p params) (entry any, id int64, refusal string, err error)
	remove func(d *db.DB, id int64) error
}

func (s *Server) ipBans(_ context.Context, c *call) reply     { return s.bans(c, &ipBanKind) }
func (s *Server) systemBans(_ context.Context, c *call) reply { return s.bans(c, &systemBanKind) }
func (s *Server) userBans(_ context.Context, c *call) reply   { return s.bans(c, &userBanKind) }

func (s *Server) bans(c *call, kind *banKind) reply {
	part := c.next()
	if len(c.path) > 0 {
		return notFound()
	}
	if part != "" {
		return s.ban(c, kind, part)
	}
	switch c.method {
	case http.MethodGet:
		list := kind.list(s.cfg.Database.Refresh())
		if c.params.looseInt("v", 0, 0) >= 2 {
			return ok(banListReply{list, c.locked})
		}
		return ok(list)
	case http.MethodPost:
		entry, id, refusal, err := kind.add(s, c.params)
		switch {
		case refusal != "":
			return badRequest(refusal)
		case err != nil:
			return s.databaseError(err)
		}
		s.audit(fmt.Sprintf("%s %d added", kind.name, id))
		return ok(entry)
	}
	return badMethod()
}

func (s *Server) ban(c *call, kind *banKind, part string) reply {
	if c.method != http.MethodDelete {
		return badMethod()
	}
	id, err := strconv.ParseInt(part, 10, 64)
	if err != nil {
		return notFound()
	}
	switch err := kind.remove(s.cfg.Database, id); {
	case errors.Is(err, db.ErrNotFound):
		return notFound()
	case err != nil:
		return s.databaseError(err)
	}
	s.audit(fmt.Sprintf("%s %d removed", kind.name, id))
	return ok(deletedReply{"ok", id})
}

type ipBanEntry struct {
	ID      int64  `json:"id"`
	IP      string `json:"ip"`
	Subnet  int    `json:"subnet"`
	Expires string `json:"expires"`
	Comment string `json:"comment"`
	Added   string `json:"added"`
}

type systemBanEntry struct {
	ID       int64  `json:"id"`
	SID      string `json:"sid"`
	Expires  string `json:"expires"`
	Reaction string `json:"reaction"`
	Reason   string `json:"reason"`
	Comment  string `json:"comment"`
	Added    string `json:"added"`
}

type userBanEntry struct {
	ID       int64  `json:"id"`
	UserID   int64  `json:"userId"`
	Expires  string `json:"expires"`
	Reaction string `json:"reaction"`
	Reason   string `json:"reason"`
	Comment  string `json:"comment"`
	Added    string `json:"added"`
}

const expiryRequired = "Valid expiration time required"

var ipBanKind = banKind{
	name: "Address ban",
	list: func(s *db.State) any { return entries(s.IPBans, ipBanJSON) },
	add: func(s *Server, p params) (any, int64, string, error) {
		addr, err := netip.ParseAddr(strings.TrimSpace(p.text("ip"))) // as pasted
		if err != nil || addr.Zone() != "" {
			return nil, 0, "Valid IP address required", nil
		}
		if _, valid := db.ParseTime(p.text("expires")); !valid {
			return nil, 0, expiryRequired, nil
		}
		prefix := frame.Int(p["subnet"])
		if prefix < 0 || prefix > addr.BitLen() {
			return nil, 0, fmt.Sprintf("Subnet must be a number of bits from 0 to %d", addr.BitLen()), nil
		}
		b, err := s.cfg.Database.AddIPBan(addr, prefix, p.text("expires"), p.text("comment"))
		return ipBanJSON(&b), b.ID, "", err
	},
	remove: (*db.DB).DeleteIPBan,
}

func ipBanJSON(b *db.IPBan) ipBanEntry {
	return ipBanEntry{b.ID, b.Addr, b.Prefix, b.Expires, b.Comment, b.Added}
}

var systemBanKind = banKind{
	name: "System ban",
	list: func(s *db.State) any { return entries(s.SystemBans, systemBanJSON) },
	add: func(s *Server, p params) (any, int64, string, error) {
		if p.text("sid") == "" {
			return nil, 0, "SID required", nil
		}
		if refusal := checkBan(p); refusal != "" {
			return nil, 0, refusal, nil
		}
		b, err := s.cfg.Database.AddSystemBan(db.SystemBan{SystemID: p.text("sid"), Expires: p.text("expires"),
			Reaction: p.text("reaction"), Reason: p.text("reason"), Comment: p.text("comment")})
		return systemBanJSON(&b), b.ID, "", err
	},
	remove: (*db.DB).DeleteSystemBan,
}

func systemBanJSON(b *db.SystemBan) systemBanEntry {
	return systemBanEntry{b.ID, b.SystemID, b.Expires, b.Reaction, b.Reason, b.Comment, b.Added}
}

// maxUserID is the largest user number that JSON numbers hold exactly.
const maxUserID = 1 << 53

var userBanKind = banKind{
	name: "User ban",
	list: func(s *db.State) any { return entries(s.UserBans, userBanJSON) },
	add: func(s *Server, p params) (any, int64, string, error) {
		id := frame.Num(p["userId"])
		if id < 1 || id > maxUserID || id != math.Trunc(id) {
			return nil, 0, "Valid user ID required", nil
		}
		if refusal := checkBan(p); refusal != "" {
			return nil, 0, refusal, nil
		}
		b, err := s.cfg.Database.AddUserBan(db.UserBan{UserID: int64(id), Expires: p.text("expires"),
			Reaction: p.text("reaction"), Reason: p.text("reason"), Comment: p.text("comment")})
		return userBanJSON(&b), b.ID, "", err
	},
	remove: (*db.DB).DeleteUserBan,
}

func userBanJSON(b *db.UserBan) userBanEntry {
	return userBanEntry{b.ID, b.UserID, b.Expires, b.Reaction, b.Reason, b.Comment, b.Added}
}

// checkBan checks what system and user bans have in common.
func checkBan(p params) (refusal string) {
	if _, valid := db.ParseTime(p.text("expires")); !valid {
		return expiryRequired
	}
	if _, known := config.ParseReaction(p.text("reaction")); !known {
		return "Invalid reaction"
	}
	return ""
}
