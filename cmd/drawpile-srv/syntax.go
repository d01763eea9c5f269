package main

import (
	"fmt"
	"strings"
)

// option describes one command-line option (configuration.md §2.2).
type option struct {
	name  string // long form without dashes
	short byte   // 0 = none
	arg   string // name of the argument in the help text; empty = a flag
	help  string
	own   bool // not an option of the reference
	many  bool // may be repeated; the values are joined with commas
}

// given are the options of a command line: the last value of each, all of
// those that may be repeated. Flags have the value "".
type given map[string]string

// put takes the value of an option.
func (g given) put(o *option, value string) {
	if before, ok := g[o.name]; ok && o.many {
		value = before + "," + value
	}
	g[o.name] = value
}

// has reports whether the option was used.
func (g given) has(name string) bool {
	_, ok := g[name]
	return ok
}

// splitArguments reads a command line in the syntax of configuration.md §2.1:
// "--name value", "--name=value", "-p value", "-pvalue", combined short flags
// and "--" as the end of options. extra are the positional arguments, which
// have no meaning.
func splitArguments(args []string, table []option) (g given, extra []string, err error) {
	long, short := make(map[string]*option), make(map[byte]*option)
	for i := range table {
		long[table[i].name] = &table[i]
		if table[i].short != 0 {
			short[table[i].short] = &table[i]
		}
	}
	g = make(given)
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		switch {
		case arg == "--":
			return g, append(extra, args...), nil
		case strings.HasPrefix(arg, "--"):
			args, err = g.long(arg, args, long)
		case len(arg) > 1 && arg[0] == '-':
			args, err = g.short(arg, args, short)
		default:
			extra = append(extra, arg)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return g, extra, nil
}

func (g given) long(arg string, rest []string, table map[string]*option) ([]string, error) {
	name, value, attached := strings.Cut(arg[2:], "=")
	o := table[name]
	switch {
	case o == nil:
		return nil, fmt.Errorf("unknown option --%s; --help lists all options", name)
	case o.arg == "" && attached:
		return nil, fmt.Errorf("--%s takes no value, but %q was given", name, value)
	case o.arg == "" || attached:
		g.put(o, value)
		return rest, nil
	}
	return g.separate(o, "--"+name, rest)
}

func (g given) short(arg string, rest []string, table map[byte]*option) ([]string, error) {
	for i := 1; i < len(arg); i++ {
		o := table[arg[i]]
		switch {
		case o == nil:
			return nil, fmt.Errorf("unknown option -%c in %q; --help lists all options", arg[i], arg)
		case o.arg == "":
			g[o.name] = ""
		case i+1 < len(arg):
			g.put(o, strings.TrimPrefix(arg[i+1:], "="))
			return rest, nil
		default:
			return g.separate(o, "-"+arg[i:i+1], rest)
		}
	}
	return rest, nil
}

// separate takes the value from the next argument.
func (g given) separate(o *option, as string, rest []string) ([]string, error) {
	if len(rest) == 0 {
		return nil, fmt.Errorf("%s needs a value: %s %s", as, as, strings.ToUpper(o.arg))
	}
	g.put(o, rest[0])
	return rest[1:], nil
}
