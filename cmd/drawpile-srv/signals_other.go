//go:build !unix

package main

import "os"

var reloadSignals []os.Signal

func ignoreSignals() {}

func isRoot() bool { return false }
