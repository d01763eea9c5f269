//go:build !unix

package main

import "os"

var harmlessSignals []os.Signal
