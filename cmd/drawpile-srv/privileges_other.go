//go:build !unix

package main

import "errors"

func becomeUser(string) error {
	return errors.New("--user is not available on this system; remove the option and start the server as that account")
}
