package main

import (
	"io"
	"os"

	"drawrelay/cmd/internal/ctl"
)

func init() { subcommands["ctl"] = control }

// defaultSocket is where a service usually has its socket; socketVariable names
// another one.
const (
	defaultSocket  = "/run/drawpile-srv/admin.sock"
	socketVariable = "DRAWPILESRV_ADMIN_SOCKET"
)

// control does what the shell asks of a running server.
func control(args []string, stdout, stderr io.Writer) (status int) {
	socket := os.Getenv(socketVariable)
	if socket == "" {
		socket = defaultSocket
	}
	if err := ctl.Run(args, socket, stdout); err != nil {
		return fail(stderr, err)
	}
	return exitOK
}
