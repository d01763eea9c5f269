//go:build !unix

package main

import "errors"

var errNoUser = errors.New("--user is not available on this system; remove the option and start the program as that account")

func becomeUser(string) error { return errNoUser }

func userIDs(string) (uid, gid int, err error) { return 0, 0, errNoUser }
