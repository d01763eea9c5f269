package login

import "net/netip"

func peer(s string) netip.Addr { return netip.MustParseAddr(s) }
