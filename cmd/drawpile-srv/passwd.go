package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"

	"drawrelay/store"
	"drawrelay/store/config"
	"drawrelay/store/db"
	"drawrelay/store/password"
)

func init() { subcommands["passwd"] = passwd }

// passwdTable lists the options of passwd.
var passwdTable = []option{
	{name: "help", short: 'h', help: "show this text"},
	{name: "config", short: 'c', arg: "file", help: "configuration file that holds the account"},
	{name: "database", short: 'd', arg: "file", help: "configuration database that holds the account"},
	{name: "flags", arg: "list", help: "what the account may do, separated by commas: " + strings.Join(accountFlags, ", ") + ";\nempty = nothing special"},
	{name: "lock", help: "ban the name; nobody can log in with it"},
	{name: "unlock", help: "let the account log in again"},
	{name: "delete", help: "remove the account"},
}

// accountFlags are the flags of configuration.md §11.1.
var accountFlags = []string{"MOD", "HOST", "BANEXEMPT", "GHOST", "WEB", "WEBHOST", "WEBSESSION", "PERSIST", "TRUSTED"}

// maxPassword bounds a password that is read here, in bytes: it has to fit
// into a login message.
const maxPassword = 4096

// accountChange is what passwd is asked to do; a nil part stays as it is.
type accountChange struct {
	name         string
	password     func() (string, error) // asks for it
	flags        []string               // nil = stay
	lock, unlock bool
	remove       bool
}

// passwd makes or changes an account in a configuration file or database,
// also of a running server, which notices.
func passwd(args []string, stdout, stderr io.Writer) int {
	g, extra, err := splitArguments(args, passwdTable)
	if err == nil && g.has("help") {
		printUsage(stdout, "passwd (--config FILE | --database FILE) [options] NAME\n\n"+
			"Makes the account NAME, or changes its password. With --flags, --lock, --unlock or --delete an existing\n"+
			"account keeps its password. The password is asked for, or read from the first line of standard input.\n"+
			"A running server notices.", passwdTable)
		return exitOK
	}
	if err != nil {
		return fail(stderr, err)
	}
	c, err := readChange(g, extra)
	if err != nil {
		return fail(stderr, err)
	}
	c.password = func() (string, error) { return readPassword(os.Stdin, stderr, "Password for "+c.name) }
	var done string
	if path := g["config"]; path != "" {
		done, err = c.inFile(path)
	} else {
		done, err = c.inDatabase(g["database"])
	}
	if err != nil {
		return fail(stderr, err)
	}
	fmt.Fprintf(stdout, "Account %s %s.\n", c.name, done)
	return exitOK
}

func readChange(g given, extra []string) (*accountChange, error) {
	switch {
	case len(extra) != 1:
		return nil, errors.New("passwd: write the name of one account; passwd --help tells more")
	case g.has("config") == g.has("database") || g["config"]+g["database"] == "":
		return nil, errors.New("passwd: write --config FILE or --database FILE, the one that the server uses")
	case g.has("lock") && g.has("unlock"):
		return nil, errors.New("passwd: --lock contradicts --unlock; remove one")
	case g.has("delete") && (g.has("flags") || g.has("lock") || g.has("unlock")):
		return nil, errors.New("passwd: --delete leaves nothing to change; remove the other options")
	case !db.ValidName(extra[0]):
		return nil, fmt.Errorf("passwd: %q is no user name: 1 to 22 characters without quotation marks", extra[0])
	}
	c := &accountChange{name: extra[0], lock: g.has("lock"), unlock: g.has("unlock"), remove: g.has("delete")}
	if g.has("flags") {
		c.flags = []string{}
		for f := range strings.SplitSeq(g["flags"], ",") {
			f = strings.ToUpper(strings.TrimSpace(f))
			if f == "" {
				continue
			}
			if !slices.Contains(accountFlags, f) {
				return nil, fmt.Errorf("passwd: --flags %s: no such flag; there are %s", f, strings.Join(accountFlags, ", "))
			}
			c.flags = append(c.flags, f)
		}
	}
	return c, nil
}

// onlySwitches says that an existing account keeps its password.
func (c *accountChange) onlySwitches() bool { return c.flags != nil || c.lock || c.unlock }

// hash asks for the password and hashes it.
func (c *accountChange) hash() (string, error) {
	pass, err := c.password()
	if err != nil {
		return "", err
	}
	return password.Hash(pass)
}

// errNoAccount says that there is nothing to delete.
func (c *accountChange) errNoAccount(where string) error {
	return fmt.Errorf("there is no account %s in %s", c.name, where)
}

// inFile carries the change out in a configuration file; done says what was
// done.
func (c *accountChange) inFile(path string) (done string, err error) {
	file, err := config.Load(path)
	if err != nil {
		file = config.Parse(path, "", nil) // a missing one is made, others fail again below
	}
	old, exists := file.Account(c.name)
	if c.remove {
		if !exists {
			return "", c.errNoAccount(path)
		}
		return "is removed", config.Edit(path, func(text string) (string, error) { return config.WithoutAccount(text, c.name), nil })
	}
	if err := config.CheckAccountName(c.name); err != nil {
		return "", err
	}
	a := config.Account{Name: c.name}
	done = "is made"
	if exists {
		a, done = *old, "is changed"
	}
	if !exists || !c.onlySwitches() {
		hash, err := c.hash()
		if err != nil {
			return "", err
		}
		if exists && password.Disabled(a.Password) {
			hash = "*" + hash
		}
		a.Password = hash
	}
	if c.flags != nil {
		a.Flags = c.flags
	}
	// In a file, a star before the password bans the name.
	a.Password = strings.TrimLeft(a.Password, "*")
	if c.lock || exists && password.Disabled(old.Password) && !c.unlock {
		a.Password = "*" + a.Password
		done += ", and is locked"
	}
	return done, config.Edit(path, func(text string) (string, error) { return config.WithAccount(text, a) })
}

// inDatabase is inFile for a database.
func (c *accountChange) inDatabase(path string) (done string, err error) {
	var hash *string
	if _, err := store.OS.Stat(path); errors.Is(err, fs.ErrNotExist) {
		// It is made only for an account that there will be.
		if c.remove {
			return "", c.errNoAccount(path)
		}
		h, err := c.hash()
		if err != nil {
			return "", err
		}
		hash = &h
	}
	d, err := db.Open(path, db.Options{})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	old, exists := d.Current().Account(c.name)
	if c.remove {
		if !exists {
			return "", c.errNoAccount(path)
		}
		return "is removed", d.DeleteAccount(old.ID)
	}
	if hash == nil && (!exists || !c.onlySwitches()) {
		h, err := c.hash()
		if err != nil {
			return "", err
		}
		hash = &h
	}
	a := old
	if !exists {
		done = "is made"
		a, err = d.AddAccount(db.Account{Name: c.name, PasswordHash: *hash, Locked: c.lock, Flags: strings.Join(c.flags, ",")})
	} else {
		done = "is changed"
		change := db.AccountChange{PasswordHash: hash}
		if c.flags != nil {
			flags := strings.Join(c.flags, ",")
			change.Flags = &flags
		}
		if c.lock || c.unlock {
			change.Locked = &c.lock
		}
		a, err = d.ChangeAccount(old.ID, change)
	}
	if a.Locked {
		done += ", and is locked"
	}
	return done, err
}

// readPassword asks for a password twice on a terminal, and otherwise reads the
// first line.
func readPassword(in *os.File, prompt io.Writer, what string) (string, error) {
	if !term.IsTerminal(int(in.Fd())) {
		line, err := bufio.NewReader(io.LimitReader(in, maxPassword+2)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("read the password: %w", err)
		}
		return checkNewPassword(strings.TrimRight(line, "\r\n"))
	}
	pass, err := askPassword(in, prompt, what)
	if err != nil {
		return "", err
	}
	return checkNewPassword(pass)
}

// askPassword asks twice on a terminal, which shows nothing meanwhile.
func askPassword(in *os.File, prompt io.Writer, what string) (string, error) {
	var typed [2]string
	for i, text := range []string{what + ": ", "Again: "} {
		fmt.Fprint(prompt, text)
		b, err := term.ReadPassword(int(in.Fd()))
		fmt.Fprintln(prompt)
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		typed[i] = string(b)
	}
	if typed[0] != typed[1] {
		return "", errors.New("the passwords differ; nothing was changed")
	}
	return typed[0], nil
}

func checkNewPassword(pass string) (string, error) {
	switch {
	case pass == "":
		return "", errors.New("no password: without one everybody could log in; nothing was changed")
	case len(pass) > maxPassword:
		return "", fmt.Errorf("passwords have at most %d bytes; nothing was changed", maxPassword)
	}
	return pass, nil
}
