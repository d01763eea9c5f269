package config

import (
	"math"
	"net/netip"
	"slices"
)

// IPIndex finds the bans that cover an address without looking at all of
// them: lists of shared bans hold tens of thousands. The zero value is empty.
//
// Every ban is kept as leading bits of an IPv6 address, IPv4 ones of their
// mapped form, which is what configuration.md §13.1 comes down to.
type IPIndex struct {
	lengths []int             // of the bans, in bits, without repetitions
	bans    map[leading][]int // numbers in the order of Add
	next    int
}

// leading are the first bits of an address; the others are zero.
type leading struct {
	addr [16]byte
	bits int
}

// mappedBits is what the IPv4-mapped prefix adds to the length of an IPv4 one.
const mappedBits = 96

// Add appends the ban of a prefix. A length of 0 means the single address; one
// that does not fit the address bans nobody.
func (x *IPIndex) Add(addr netip.Addr, length int) {
	number := x.next
	x.next++
	if length < 0 || length > addr.BitLen() || !addr.IsValid() {
		return
	}
	if length == 0 {
		length = addr.BitLen()
	}
	if addr.Is4() {
		length += mappedBits
	}
	if !slices.Contains(x.lengths, length) {
		x.lengths = append(x.lengths, length)
	}
	if x.bans == nil {
		x.bans = make(map[leading][]int)
	}
	key := leadingBits(addr, length)
	x.bans[key] = append(x.bans[key], number)
}

// First returns the number, counted from 0 in the order of Add, of the first
// ban that covers addr and that counts, or -1. counts may be nil: all count.
func (x *IPIndex) First(addr netip.Addr, counts func(number int) bool) int {
	if !addr.IsValid() {
		return -1
	}
	first := math.MaxInt
	for _, length := range x.lengths {
		for _, n := range x.bans[leadingBits(addr, length)] {
			if n >= first {
				break
			}
			if counts == nil || counts(n) {
				first = n
				break
			}
		}
	}
	if first == math.MaxInt {
		return -1
	}
	return first
}

func leadingBits(addr netip.Addr, length int) leading {
	key := leading{addr: addr.As16(), bits: length}
	for i := range key.addr {
		if rest := length - 8*i; rest <= 0 {
			key.addr[i] = 0
		} else if rest < 8 {
			key.addr[i] &= ^byte(0xff >> rest)
		}
	}
	return key
}
