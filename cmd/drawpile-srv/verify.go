package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"drawrelay/store"
)

func init() { subcommands["verify"] = verify }

// verifyTable lists the options of verify.
var verifyTable = []option{
	{name: "help", short: 'h', help: "show this text"},
	{name: "checksums", arg: "folder", help: "folder of the checksums (default: \"" + checksumsFolder + "\" beside a folder\n\"sessions\", as --data has it)"},
	{name: "salvage", arg: "folder", help: "write what is good of each damaged session to a recording and a\n" +
		"journal in this new folder, which --sessions can name"},
	{name: "quiet", short: 'q', help: "say nothing about sessions that are well"},
}

// exitDamaged is the status when a session is damaged, or cannot be loaded.
const exitDamaged = 2

// verify checks all sessions of a folder without changing it. A running server
// may have it open; then the newest messages may look incomplete.
func verify(args []string, stdout, stderr io.Writer) int {
	g, extra, err := splitArguments(args, verifyTable)
	if err == nil && g.has("help") {
		printUsage(stdout, "verify [options] FOLDER\n\n"+
			"Checks every session of a session folder and changes nothing in it: journals, recordings, and the\n"+
			"checksums of what they hold. The exit status is 0 if all is well, 2 if a session is damaged or cannot\n"+
			"be loaded, 1 if the folder cannot be read. An incomplete message at the end is what a crash leaves;\n"+
			"it is no damage, and the next start cuts it off.", verifyTable)
		return exitOK
	}
	if err == nil && len(extra) != 1 {
		err = errors.New("verify takes one session folder; see drawpile-srv verify --help")
	}
	if err != nil {
		return fail(stderr, err)
	}
	o := store.Verify{Dir: extra[0], Checksums: g["checksums"], Salvage: g["salvage"]}
	if o.Checksums == "" {
		parent, name := filepath.Split(filepath.Clean(o.Dir))
		beside := filepath.Join(parent, checksumsFolder)
		if st, err := store.OS.Stat(beside); name == sessionsFolder && err == nil && st.IsDir() {
			o.Checksums = beside
		}
	}
	total, damaged := 0, 0
	orphans, err := o.Each(func(v *store.Verdict) bool {
		total++
		if v.Damaged() {
			damaged++
		}
		if v.Damaged() || v.SalvageErr != nil || !g.has("quiet") {
			printVerdict(stdout, v)
		}
		return true
	})
	if err != nil {
		return fail(stderr, err)
	}
	for _, name := range orphans {
		fmt.Fprintf(stdout, "%s: no session uses this recording\n", name)
	}
	fmt.Fprintf(stdout, "%d sessions, %d damaged\n", total, damaged)
	if damaged > 0 {
		if o.Salvage == "" {
			fmt.Fprintln(stdout, "With --salvage FOLDER what is good of the damaged ones is written there.")
		}
		return exitDamaged
	}
	return exitOK
}

// printVerdict tells everything about one session.
func printVerdict(w io.Writer, v *store.Verdict) {
	state := "ok"
	if v.Err != nil {
		state = "cannot be loaded: " + v.Err.Error()
	} else if v.Damaged() {
		state = fmt.Sprintf("DAMAGED, %d bytes", v.Lost())
	}
	fmt.Fprintf(w, "%s: %s\n", v.ID, state)
	for _, text := range v.Warnings {
		fmt.Fprintf(w, "  journal %s, %s\n", v.Journal, text)
	}
	if v.Err == nil {
		fmt.Fprintf(w, "  recording %s: %d messages, %d bytes, %d of them with checksums\n", v.Recording, v.Messages, v.Size, v.Summed)
	}
	for _, d := range v.Damages {
		fmt.Fprintf(w, "  bytes %d to %d: %s\n", d.From, d.To, d.Reason)
	}
	if v.Torn > 0 {
		fmt.Fprintf(w, "  an incomplete message at the end, %d bytes: the next start cuts it off\n", v.Torn)
	}
	switch {
	case v.SalvageErr != nil:
		fmt.Fprintf(w, "  not salvaged: %v\n", v.SalvageErr)
	case v.Salvaged != "":
		fmt.Fprintf(w, "  salvaged: %d messages in %s\n", v.Messages, v.Salvaged)
	}
}
