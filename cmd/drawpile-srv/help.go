package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"

	"drawrelay/frame"
)

// version is the program's version, set by the Makefile.
var version = "0.1.0"

// helpColumn is where the explanations begin.
const helpColumn = 34

// printHelp writes the usage text.
func printHelp(w io.Writer) {
	fmt.Fprint(w, "Usage: drawpile-srv [options]\n       drawpile-srv COMMAND [options]\n\nServer for shared drawing sessions of the Drawpile protocol.\n\n"+
		"Try it:   drawpile-srv --data data\n\nCommands: "+strings.Join(commandNames(), ", ")+"\n\nOptions:\n")
	for _, own := range []bool{false, true} {
		if own {
			fmt.Fprint(w, "\nOptions that the Drawpile server does not have:\n")
		}
		for i := range table {
			if table[i].own == own {
				printOption(w, &table[i])
			}
		}
	}
}

// asksForHelp reports whether the arguments of a sub-command without options
// ask what it does.
func asksForHelp(args []string) bool {
	return len(args) == 1 && (args[0] == "--help" || args[0] == "-h")
}

// printUsage explains a sub-command: text, then its options.
func printUsage(w io.Writer, text string, table []option) {
	fmt.Fprint(w, "Usage: drawpile-srv "+text+"\n\nOptions:\n")
	for i := range table {
		printOption(w, &table[i])
	}
}

func printOption(w io.Writer, o *option) {
	head := "      --" + o.name
	if o.short != 0 {
		head = fmt.Sprintf("  -%c, --%s", o.short, o.name)
	}
	if o.arg != "" {
		head += " " + strings.ToUpper(o.arg)
	}
	if len(head) >= helpColumn-1 {
		fmt.Fprintln(w, head)
		head = ""
	}
	text := o.help
	for line := range strings.Lines(text) {
		fmt.Fprintf(w, "%-*s%s\n", helpColumn, head, strings.TrimRight(line, "\n"))
		head = ""
	}
}

// printVersion writes the lines of configuration.md §20.
func printVersion(w io.Writer) {
	fmt.Fprintf(w, "drawpile-srv %s\n", version)
	fmt.Fprintf(w, "Protocol version: %d.%d\n", frame.OwnVersion.Major, frame.OwnVersion.Minor)
	fmt.Fprintf(w, "Go version: %s %s/%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			fmt.Fprintf(w, "Library: %s %s\n", m.Path, m.Version)
		}
	}
}
