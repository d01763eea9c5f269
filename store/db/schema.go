package db

// createTable is what every statement of the schema begins with.
const createTable = `CREATE TABLE IF NOT EXISTS `

// The schema of the reference (configuration.md §10.2). Scripts insert by
// position, so the order of columns matters, and columns without a type keep
// whatever storage class was written. There is no schema version; what exists
// is used as it is.
var schema = []string{
	createTable + `settings (key PRIMARY KEY, value)`,
	createTable + `listingservers (url)`,
	createTable + `ipbans (ip, subnet, expires, comment, added)`,
	createTable + `systembans (id INTEGER PRIMARY KEY NOT NULL, sid TEXT NOT NULL,
		reaction TEXT NOT NULL DEFAULT 'normal', expires TEXT NOT NULL, comment TEXT, reason TEXT, added TEXT NOT NULL)`,
	createTable + `userbans (id INTEGER PRIMARY KEY NOT NULL, userid INTEGER NOT NULL,
		reaction TEXT NOT NULL DEFAULT 'normal', expires TEXT NOT NULL, comment TEXT, reason TEXT, added TEXT NOT NULL)`,
	createTable + `users (username UNIQUE, password, locked, flags)`,
	createTable + `disabledextbans (id INTEGER PRIMARY KEY NOT NULL)`,
	createTable + `serverlog (timestamp, level, topic, user, session, message)`,
}

// SQLite's result codes that have a meaning here (sqlite.org/rescode.html).
const (
	codeError      = 1
	codeBusy       = 5
	codeLocked     = 6
	codeReadOnly   = 8
	codeCorrupt    = 11
	codeFull       = 13
	codeCantOpen   = 14
	codeConstraint = 19
	codeNotADB     = 26
)

// cures say what an operator can do about a result code.
var cures = map[int]string{
	codeError:    "its tables must be those of a Drawpile server: check the path, and what other programs have changed",
	codeCorrupt:  "it is damaged: restore a backup, or save what is left with sqlite3 and its .recover",
	codeBusy:     "another program keeps it locked: close its transaction",
	codeReadOnly: "it cannot be written: give the server's user the right to write the file and its folder",
	codeFull:     "the disk is full: make room",
	codeCantOpen: "make its folder, and give the server's user the right to write there",
	codeNotADB:   "it is no SQLite database: check the path",
}
