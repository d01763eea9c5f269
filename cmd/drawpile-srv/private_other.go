//go:build !unix

package main

// private does nothing: the rights of the folder decide.
func private() (restore func()) { return func() {} }
