//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// becomeUser gives up root for good and goes on as the account of --user, with
// its groups. A process that already runs as that account stays as it is.
func becomeUser(name string) error {
	u, uid, gid, err := findUser(name)
	switch {
	case err != nil:
		return fmt.Errorf("--user %s: %w", name, err)
	case uid == 0:
		return fmt.Errorf("--user %s: this account may do everything; name one of its own for the server", name)
	case os.Geteuid() == uid && os.Getuid() == uid:
		return nil
	case os.Geteuid() != 0:
		return fmt.Errorf("--user %s: only root can change to another account; start as root, or as %s without the option", name, name)
	}
	groups, err := groupsOf(u, gid)
	if err != nil {
		return fmt.Errorf("--user %s: find its groups: %w", name, err)
	}
	// Groups first: afterwards there is no right to change them.
	if err := syscall.Setgroups(groups); err != nil {
		return fmt.Errorf("--user %s: set groups: %w", name, err)
	}
	if err := syscall.Setgid(gid); err != nil {
		return fmt.Errorf("--user %s: set group: %w", name, err)
	}
	if err := syscall.Setuid(uid); err != nil {
		return fmt.Errorf("--user %s: set account: %w", name, err)
	}
	if os.Getuid() != uid || os.Geteuid() != uid || os.Getegid() != gid || syscall.Setuid(0) == nil {
		return errors.New("internal error: root was not given up")
	}
	return os.Setenv("HOME", u.HomeDir) // ~/ in options means the new account's
}

// findUser looks an account up by its name or number.
func findUser(name string) (u *user.User, uid, gid int, err error) {
	u, err = user.Lookup(name)
	if _, number := strconv.Atoi(name); err != nil && number == nil {
		u, err = user.LookupId(name)
	}
	if err != nil {
		return nil, 0, 0, errors.New("there is no such account; create it or name another")
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	return u, uid, gid, errors.Join(err1, err2)
}

// userIDs returns the numbers of an account and its group.
func userIDs(name string) (uid, gid int, err error) {
	_, uid, gid, err = findUser(name)
	return uid, gid, err
}

// groupsOf returns the account's own group and its supplementary ones.
func groupsOf(u *user.User, gid int) ([]int, error) {
	ids, err := u.GroupIds()
	if err != nil {
		return nil, err
	}
	groups := []int{gid}
	for _, id := range ids {
		n, err := strconv.Atoi(id)
		if err != nil {
			return nil, err
		}
		if n != gid {
			groups = append(groups, n)
		}
	}
	return groups, nil
}
