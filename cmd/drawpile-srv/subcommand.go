package main

import "io"

// subcommands are what the program does other than serve, by the first
// argument; each adds itself in a file of its own. Options begin with a dash,
// so they cannot be taken for one.
var subcommands = map[string]func(args []string, stdout, stderr io.Writer) (status int){}
