// Package fuzz holds fuzz targets for everything that reads bytes from
// outside: the wire, what clients say, and the files of a session folder.
// It has tests only; nothing imports it.
//
// Every target is one file, named after what it reads:
//
//	stream     TCP framing: what parses encodes to the same bytes, at every split
//	websocket  the two-byte head inside WebSocket messages
//	message    each message the server understands, field by field
//	command    JSON of server commands: reading, and writing what was read
//	version    protocol version strings
//	index      text of history indexes
//	recording  heads of recordings, and session folders with any recording
//	journal    session folders with any journal
//	fields     any text in any field of a journal
//	config     the configuration file
//	password   stored password hashes
//	dialogue   login, as a sequence of commands
//	login      login, as bytes
//
// Plain test runs try the seeds and everything that once failed: see
// testdata/README.md. `make fuzz` searches for more.
package fuzz
