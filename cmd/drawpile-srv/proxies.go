package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// checkUser reads --user.
func (o *options) checkUser(g given) error {
	if o.user = g["user"]; g.has("user") && o.user == "" {
		return errors.New("--user: write the name of an account")
	}
	return nil
}

// checkProxies reads --trusted-proxy.
func (o *options) checkProxies(g given) error {
	if !g.has("trusted-proxy") {
		return nil
	}
	for text := range strings.SplitSeq(g["trusted-proxy"], ",") {
		p, err := parseSubnet(strings.TrimSpace(text))
		if err != nil {
			return fmt.Errorf("--trusted-proxy %s: write ADDRESS or ADDRESS/BITS, as in 192.0.2.10 or 10.0.0.0/8", text)
		}
		if p.Bits() == 0 {
			o.warn("--trusted-proxy %s believes everybody about their address: nobody can be banned by it", text)
		}
		o.proxies = append(o.proxies, p)
	}
	if (!g.has("websocket-port") || g["websocket-port"] == "0") && !g.has("single-port") && !o.activated {
		o.warn("--trusted-proxy has no effect without --websocket-port or --single-port: only WebSocket clients come through proxies")
	}
	return nil
}

// parseSubnet reads an address or a subnet; IPv4-mapped ones become IPv4.
func parseSubnet(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	if p.Addr().Is4In6() {
		if p.Bits() < 96 {
			return netip.Prefix{}, errors.New("wider than all IPv4 addresses")
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), nil
}

// trusts reports whether a peer is believed about the addresses of those it
// connects for: on loopback, behind a Unix socket (the zero Addr), or named by
// --trusted-proxy (decision 5 of the specification).
func (o *options) trusts(peer netip.Addr) bool {
	peer = peer.Unmap().WithZone("")
	if !peer.IsValid() || peer.IsLoopback() {
		return true
	}
	for _, p := range o.proxies {
		if p.Contains(peer) {
			return true
		}
	}
	return false
}
