package main

import (
	_ "embed"
	"fmt"
	"io"
	"strings"
)

func init() {
	subcommands["manpage"] = manpage // a literal would be a cycle: it lists them
}

// manpageText is the manual page but for what depends on the build.
//
//go:embed deploy/drawpile-srv.1.in
var manpageText string

// manpage prints the manual page.
func manpage(args []string, stdout, stderr io.Writer) (status int) {
	if asksForHelp(args) {
		fmt.Fprint(stdout, "Usage: drawpile-srv manpage\n\nPrints the manual page; see it with: drawpile-srv manpage | man -l -\n")
		return exitOK
	}
	if len(args) > 0 {
		fmt.Fprintln(stderr, "drawpile-srv: manpage takes no arguments")
		return exitFailed
	}
	text := strings.NewReplacer(
		"@VERSION@", roff(version),
		"@OPTIONS@\n", manpageOptions(false),
		"@OWN_OPTIONS@\n", manpageOptions(true),
		"@COMMANDS@", roff(strings.Join(commandNames(), ", ")),
	).Replace(manpageText)
	fmt.Fprint(stdout, text)
	return exitOK
}

// manpageOptions describes those options that the reference has, or those of
// ours.
func manpageOptions(own bool) string {
	var b strings.Builder
	for i := range table {
		o := &table[i]
		if o.own != own {
			continue
		}
		b.WriteString(".TP\n")
		for n, form := range o.forms() {
			if n > 0 {
				b.WriteString(", ")
			}
			b.WriteString(`\fB` + roff(form) + `\fR`)
		}
		if o.arg != "" {
			b.WriteString(` \fI` + roff(o.arg) + `\fR`)
		}
		b.WriteString("\n" + roff(o.summary()) + "\n")
	}
	return b.String()
}

// roff makes a text literal for troff.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, `-`, `\-`).Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}
