package admin

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Access says who may connect (admin-api.md §1.2). The zero value is loopback
// only.
type Access struct {
	all    bool
	subnet netip.Prefix
}

// ParseAccess reads "all", an address or a subnet: ADDRESS/BITS or
// ADDRESS/NETMASK. IPv4 addresses in a subnet may be cut short: 10.1/16. An
// empty text is loopback only.
func ParseAccess(text string) (Access, error) {
	switch text {
	case "":
		return Access{}, nil
	case "all":
		return Access{all: true}, nil
	}
	host, mask, isSubnet := strings.Cut(text, "/")
	addr, err := parseHost(host, isSubnet)
	if err != nil {
		return Access{}, err
	}
	bits := addr.BitLen()
	if isSubnet {
		if bits, err = parseMask(addr, mask); err != nil {
			return Access{}, err
		}
	}
	if addr.Is4In6() {
		if bits -= mappedBits; bits < 0 {
			return Access{}, fmt.Errorf("a subnet of mapped IPv4 addresses has at least %d bits", mappedBits)
		}
		addr = addr.Unmap()
	}
	p, err := addr.Prefix(bits)
	if err != nil {
		return Access{}, err
	}
	return Access{subnet: p}, nil
}

// mappedBits are those in front of an IPv4 address that is mapped to IPv6.
const mappedBits = 96

// parseHost reads an address; of IPv4 ones in subnets the end may be missing.
func parseHost(text string, short bool) (a netip.Addr, err error) {
	if strings.Contains(text, ":") || !short || strings.Count(text, ".") == 3 {
		a, err = netip.ParseAddr(text)
		if err == nil && a.Zone() != "" {
			err = errors.New("addresses with a zone are not supported")
		}
		return a, err
	}
	var b [4]byte
	list := strings.Split(strings.TrimSuffix(text, "."), ".")
	if len(list) > len(b) {
		return netip.Addr{}, errors.New("an IPv4 address has four parts")
	}
	for i, s := range list {
		n, err := strconv.ParseUint(s, 10, 8)
		if err != nil {
			return netip.Addr{}, fmt.Errorf("%q is no part of an address", s)
		}
		b[i] = byte(n)
	}
	return netip.AddrFrom4(b), nil
}

// parseMask reads a number of bits or an IPv4 netmask.
func parseMask(a netip.Addr, text string) (bits int, err error) {
	if m, err := netip.ParseAddr(text); err == nil && m.Is4() && a.Is4() {
		b := m.As4()
		mask := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
		for mask&(1<<31) != 0 {
			mask <<= 1
			bits++
		}
		if mask != 0 {
			return 0, fmt.Errorf("netmask %s has gaps", text)
		}
		return bits, nil
	}
	n, err := strconv.ParseUint(text, 10, 8)
	if err != nil || int(n) > a.BitLen() {
		return 0, fmt.Errorf("%q is not a number of bits from 0 to %d", text, a.BitLen())
	}
	return int(n), nil
}

// Allows reports whether a peer may connect. Loopback always may.
func (x Access) Allows(peer netip.Addr) bool {
	peer = peer.Unmap().WithZone("")
	return x.all || peer.IsLoopback() || x.subnet.IsValid() && x.subnet.Contains(peer)
}

// Public reports whether others than this machine may connect.
func (x Access) Public() bool { return x.all || x.subnet.IsValid() && !x.subnet.Addr().IsLoopback() }

// guarded accepts only peers that have access, and only so many at a time. The
// others are hung up on without a word.
type guarded struct {
	net.Listener
	access Access
	limit  *connLimit
}

func (g *guarded) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if t, ok := c.RemoteAddr().(*net.TCPAddr); ok && !g.access.Allows(t.AddrPort().Addr()) {
			_ = c.Close()
			continue
		}
		if held := g.limit.hold(c); held != nil {
			return held, nil
		}
		_ = c.Close()
	}
}
