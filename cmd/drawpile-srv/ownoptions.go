package main

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"drawrelay/store"
	"drawrelay/store/serverlog"
	"drawrelay/store/settings"
)

// maxLoops bounds --loops: more loops than any machine has cores only cost
// memory.
const maxLoops = 256

// checkOwn reads the options that the reference does not have.
func (o *options) checkOwn(g given) error {
	if g.has("data") && !g.has("sessions") {
		o.sessions = filepath.Join(g["data"], sessionsFolder)
		o.checksums = filepath.Join(g["data"], checksumsFolder)
	}
	if g.has("data") && !g.has("config") && !g.has("database") {
		// What the sub-command init has made is used; it says itself what the
		// settings are.
		if _, err := store.OS.Stat(filepath.Join(g["data"], databaseName)); err == nil {
			o.database = filepath.Join(g["data"], databaseName)
		}
		o.lingering = o.database == "" && !g.has("sessions")
	}
	for _, check := range []func(given) error{o.checkForms, o.checkUser, o.checkProxies} {
		if err := check(g); err != nil {
			return err
		}
	}
	o.flightRecorder = g.has("flight-recorder")
	if g.has("checksums") {
		if o.checksums = g["checksums"]; o.sessions == "" {
			return fmt.Errorf("--checksums %s has no effect without --sessions or --data: sessions in memory have no files", o.checksums)
		}
		if filepath.Clean(o.checksums) == filepath.Clean(o.sessions) {
			return fmt.Errorf("--checksums %s: name another folder than that of the sessions, which others read", o.checksums)
		}
	}
	if g.has("loops") {
		n, err := settings.ParseInt(g["loops"])
		if err != nil || n < 1 || n > maxLoops {
			return fmt.Errorf("--loops %s: write a number from 1 to %d", g["loops"], maxLoops)
		}
		o.loops = n
	}
	if g.has("sync-interval") {
		d, err := parseInterval(g["sync-interval"])
		if err != nil {
			return fmt.Errorf("--sync-interval %s: write a duration from 0 to 1h, as in 200ms or 2s", g["sync-interval"])
		}
		o.syncInterval = d
	}
	if g.has("pprof") {
		at, err := parsePprof(g["pprof"])
		if err != nil {
			return fmt.Errorf("--pprof %s: %w", g["pprof"], err)
		}
		o.pprof = at
		if !at.Addr().IsLoopback() {
			o.warn("profiles are open to everybody who can reach %v", at)
		}
	}
	return nil
}

func (o *options) checkForms(g given) error {
	switch form := g["log-format"]; {
	case !g.has("log-format") || form == "text":
	case form == "json":
		o.logFormat = serverlog.FormatJSON
	default:
		return fmt.Errorf("--log-format %s: write text or json", form)
	}
	if !g.has("transport") {
		return nil
	}
	switch o.transport = g["transport"]; o.transport {
	case "auto", "poll", "goroutine":
		return nil
	}
	return fmt.Errorf("--transport %s: write auto, poll or goroutine", o.transport)
}

// maxSyncInterval bounds --sync-interval: whoever does not care at all keeps
// sessions in memory.
const maxSyncInterval = time.Hour

// parseInterval reads a duration in Go's form or the settings' form.
func parseInterval(text string) (time.Duration, error) {
	d, err := settings.ParseDuration(text)
	if err != nil {
		if d, err = time.ParseDuration(text); err != nil {
			return 0, err
		}
	}
	if d < 0 || d > maxSyncInterval {
		return 0, settings.ErrRange
	}
	return d, nil
}

// parsePprof reads PORT or ADDRESS:PORT. Without an address it is loopback:
// profiles tell about everything in memory, so anything else must be spelled
// out.
func parsePprof(text string) (netip.AddrPort, error) {
	host, portText := "127.0.0.1", strings.TrimPrefix(text, ":")
	if i := strings.LastIndexByte(text, ':'); i > 0 {
		host, portText = strings.Trim(text[:i], "[]"), text[i+1:]
		if host == "localhost" {
			host = "127.0.0.1"
		}
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.AddrPort{}, errors.New("write PORT or ADDRESS:PORT with an IP address")
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil || port == 0 {
		return netip.AddrPort{}, errors.New("write a port from 1 to 65535")
	}
	return netip.AddrPortFrom(addr, uint16(port)), nil
}
