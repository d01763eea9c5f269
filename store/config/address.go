package config

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

var errAddress = errors.New("not an IP address")

// ParseBanAddress reads the address of a ban: as netip does, and IPv4 also in
// the older forms that inet_aton knows and the reference takes, so that bans
// written for it hold: fewer parts, the last of which fills the rest (10.1 is
// 10.0.0.1), and octal or hexadecimal ones with leading zeros. Zones are
// refused.
func ParseBanAddress(text string) (netip.Addr, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		return addr, nil
	}
	parts := strings.Split(text, ".")
	if len(parts) > 4 || strings.ContainsAny(text, "_+-:") {
		return netip.Addr{}, errAddress
	}
	var address uint32
	for i, part := range parts {
		width := 8
		if i == len(parts)-1 {
			width = 32 - 8*i
		}
		n, err := strconv.ParseUint(part, 0, width)
		if err != nil || part[0] == '0' && len(part) > 1 && strings.ContainsAny(part[1:2], "obOB") { // Go's own
			return netip.Addr{}, errAddress
		}
		address |= uint32(n) << (32 - 8*i - width)
	}
	return netip.AddrFrom4([4]byte{byte(address >> 24), byte(address >> 16), byte(address >> 8), byte(address)}), nil
}
