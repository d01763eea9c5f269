//go:build !unix

package main

import "os"

var reloadSignals, adminSignals []os.Signal

func ignoreSignals() {}

func isRoot() bool { return false }
