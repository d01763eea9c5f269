package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

func init() {
	subcommands["completion"] = completion // a literal would be a cycle: it lists them
}

// shells write the completion for a shell, by its name.
var shells = map[string]func(w io.Writer){"bash": completeBash, "zsh": completeZsh, "fish": completeFish}

// choices are the values of options that take one of a few.
var choices = map[string][]string{
	"log-format":        {"text", "json"},
	"ssl-key-algorithm": {"guess", "rsa", "ec", "dsa", "dh"},
	"transport":         {"auto", "poll", "goroutine"},
}

// completion prints a script that lets a shell complete our command line.
func completion(args []string, stdout, stderr io.Writer) (status int) {
	if len(args) == 1 && shells[args[0]] != nil {
		shells[args[0]](stdout)
		return exitOK
	}
	if asksForHelp(args) {
		fmt.Fprint(stdout, "Usage: drawpile-srv completion SHELL\n\nPrints what lets a shell (bash, zsh or fish) complete the command line.\n")
		return exitOK
	}
	fmt.Fprintln(stderr, "drawpile-srv: write completion bash, completion fish or completion zsh")
	return exitFailed
}

// offered are the options to propose.
func offered() (list []*option) {
	for i := range table {
		list = append(list, &table[i])
	}
	return list
}

// commandNames returns the names of the sub-commands in order.
func commandNames() []string { return slices.Sorted(maps.Keys(subcommands)) }

// summary is the explanation of an option in one line.
func (o *option) summary() string { return strings.ReplaceAll(o.help, "\n", " ") }

// forms returns how an option may be written.
func (o *option) forms() []string {
	if o.short == 0 {
		return []string{"--" + o.name}
	}
	return []string{"-" + string(rune(o.short)), "--" + o.name}
}

func completeBash(w io.Writer) {
	var words, files, folders, values []string
	var cases strings.Builder
	for _, o := range offered() {
		words = append(words, "--"+o.name)
		switch forms := strings.Join(o.forms(), "|"); {
		case choices[o.name] != nil:
			fmt.Fprintf(&cases, "\t%s) mapfile -t COMPREPLY < <(compgen -W '%s' -- \"$cur\"); return ;;\n", forms, strings.Join(choices[o.name], " "))
		case o.arg == "file" || o.arg == "path":
			files = append(files, forms)
		case o.arg == "folder":
			folders = append(folders, forms)
		case o.arg != "":
			values = append(values, forms)
		}
	}
	fmt.Fprintf(w, `# Completion of drawpile-srv for bash.
_drawpile_srv() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
	if [[ $cur == = ]]; then
		cur=
	elif [[ $prev == = ]]; then
		prev=${COMP_WORDS[COMP_CWORD-2]}
	fi
	case $prev in
%s	%s) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
	%s) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
	%s) return ;;
	esac
	local words='%s'
	((COMP_CWORD == 1)) && words+=' %s'
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _drawpile_srv drawpile-srv
`, &cases, strings.Join(files, "|"), strings.Join(folders, "|"), strings.Join(values, "|"), strings.Join(words, " "), strings.Join(commandNames(), " "))
}

// zshText makes a text safe between the brackets and single quotes of a zsh
// specification.
var zshText = strings.NewReplacer(`\`, `\\`, `[`, `\[`, `]`, `\]`, `:`, `\:`, `'`, `'\''`)

func completeZsh(w io.Writer) {
	fmt.Fprint(w, "#compdef drawpile-srv\n# Completion of drawpile-srv for zsh.\n_arguments -s -S \\\n")
	for _, o := range offered() {
		head, long := "", "--"+o.name
		if o.arg != "" {
			long += "="
		}
		switch {
		case o.short != 0:
			short := o.forms()[0]
			if o.arg != "" {
				short += "+"
			}
			head = fmt.Sprintf("'(%s)'{%s,%s}'", strings.Join(o.forms(), " "), short, long)
		case o.many:
			head = "'*" + long
		default:
			head = "'" + long
		}
		tail := ""
		switch arg := zshText.Replace(o.arg); {
		case choices[o.name] != nil:
			tail = fmt.Sprintf(":%s:(%s)", arg, strings.Join(choices[o.name], " "))
		case o.arg == "file" || o.arg == "path":
			tail = ":" + arg + ":_files"
		case o.arg == "folder":
			tail = ":" + arg + ":_files -/"
		case o.arg != "":
			tail = ":" + arg + ": "
		}
		fmt.Fprintf(w, "  %s[%s]%s' \\\n", head, zshText.Replace(o.summary()), tail)
	}
	fmt.Fprintf(w, "  '1::command:(%s)'\n", strings.Join(commandNames(), " "))
}

func completeFish(w io.Writer) {
	fmt.Fprint(w, "# Completion of drawpile-srv for fish.\ncomplete -c drawpile-srv -f\n")
	for _, name := range commandNames() {
		fmt.Fprintf(w, "complete -c drawpile-srv -n __fish_use_subcommand -a %s\n", name)
	}
	quote := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	for _, o := range offered() {
		head := "complete -c drawpile-srv"
		if o.short != 0 {
			head += " -s " + string(rune(o.short))
		}
		head += " -l " + o.name
		switch {
		case choices[o.name] != nil:
			head += " -x -a '" + strings.Join(choices[o.name], " ") + "'"
		case o.arg == "file" || o.arg == "path":
			head += " -r -F"
		case o.arg == "folder":
			head += " -x -a '(__fish_complete_directories)'"
		case o.arg != "":
			head += " -x"
		}
		fmt.Fprintf(w, "%s -d '%s'\n", head, quote.Replace(o.summary()))
	}
}
