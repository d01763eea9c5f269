package admin

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"
)

type statusReply struct {
	ExtHost     string `json:"ext_host"`
	ExtPort     int    `json:"ext_port"`
	MaxSessions int    `json:"maxSessions"`
	Sessions    int    `json:"sessions"`
	Started     string `json:"started"`
	Users       int    `json:"users"`
}

// status serves /status (admin-api.md §2).
func (s *Server) status(_ context.Context, c *call) reply {
	switch {
	case len(c.path) > 0:
		return notFound()
	case c.method != http.MethodGet:
		return badMethod()
	}
	s.cfg.Settings.Look()
	host := s.cfg.LocalHost
	if host == "" {
		host = s.guess.get()
	}
	return ok(statusReply{
		ExtHost: host, ExtPort: s.cfg.Port, MaxSessions: s.cfg.Settings.Get().SessionCountLimit,
		Sessions: len(s.cfg.Relay.All()), Started: isoTime(s.cfg.Started),
		Users: len(s.cfg.Login.Clients()) + s.cfg.Relay.Connections(),
	})
}

// guessAge is how long a guessed address is believed: laptops move.
const guessAge = time.Minute

// hostGuess is a guess at the address of this machine.
type hostGuess struct {
	mu   sync.Mutex
	host string
	at   time.Time
}

func (g *hostGuess) get() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.at.IsZero() || time.Since(g.at) > guessAge {
		g.host, g.at = guessHost(), time.Now()
	}
	return g.host
}

// guessHost returns the first address of an interface that is up: public ones
// before private before loopback, IPv6 in brackets.
func guessHost() string {
	interfaces, err := net.Interfaces()
	if err != nil {
		return "127.0.0.1"
	}
	var list []netip.Addr
	for i := range interfaces {
		if interfaces[i].Flags&(net.FlagUp|net.FlagRunning) != net.FlagUp|net.FlagRunning {
			continue
		}
		addrs, _ := interfaces[i].Addrs() // without: one interface less
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Zone() == "" && !p.Addr().IsLinkLocalUnicast() {
				list = append(list, p.Addr().Unmap())
			}
		}
	}
	return bestHost(list)
}

func bestHost(list []netip.Addr) string {
	if len(list) == 0 {
		return "127.0.0.1"
	}
	rank := func(a netip.Addr) int {
		switch {
		case a.IsLoopback():
			return 2
		case a.IsPrivate():
			return 1
		}
		return 0
	}
	best := slices.MinFunc(list, func(a, b netip.Addr) int { return rank(a) - rank(b) })
	if best.Is6() {
		return "[" + best.String() + "]"
	}
	return best.String()
}
