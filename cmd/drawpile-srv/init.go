package main

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/term"

	"drawrelay/store"
	"drawrelay/store/db"
	"drawrelay/store/keypair"
	"drawrelay/store/password"
	"drawrelay/store/settings"
)

func init() { subcommands["init"] = initialise }

// databaseName is the database of --data.
const databaseName = "config.db"

// adminName is the first account unless another name is given.
const adminName = "admin"

// madePassword is the length of a password made here: 26 letters and digits of
// 5 bits.
const madePassword = 26

// initTable lists the options of init.
var initTable = []option{
	{name: "help", short: 'h', help: "show this text"},
	{name: "admin", arg: "name", help: "name of the first account, a moderator (default " + adminName + ")"},
	{name: "local-host", arg: "name", help: "host name of the server, for the printed address"},
	{name: "port", short: 'p', arg: "port", help: "TCP port of the server, for the printed address (default 27750)"},
	{name: "user", arg: "name", help: "account that the server will run as; for a start as root"},
}

// site is what init is asked to make.
type site struct {
	dir   string
	admin string
	host  string // empty = an address of this machine
	port  int
	user  string // empty = whoever runs init
}

// initialise makes a folder for --data with everything in it that a new server
// needs.
func initialise(args []string, stdout, stderr io.Writer) int {
	g, extra, err := splitArguments(args, initTable)
	if err == nil && g.has("help") {
		printUsage(stdout, "init [options] FOLDER\n\nMakes FOLDER with a database, a TLS certificate and a first account, and prints the address for clients.\n"+
			"The password is asked for, or read from the first line of standard input; an empty one is made up and\nprinted.", initTable)
		return exitOK
	}
	if err != nil {
		return fail(stderr, err)
	}
	s, err := readSite(g, extra)
	if err != nil {
		return fail(stderr, err)
	}
	pass, made, err := firstPassword(os.Stdin, stderr, s.admin)
	if err == nil {
		err = s.make(pass)
	}
	if err != nil {
		return fail(stderr, err)
	}
	fmt.Fprintf(stdout, "Made %s: settings and accounts in %s, sessions in sessions, the TLS certificate in tls.\n\n", s.dir, databaseName)
	if made {
		fmt.Fprintf(stdout, "Account    %s, a moderator, with the password %s\n", s.admin, pass)
	} else {
		fmt.Fprintf(stdout, "Account    %s, a moderator\n", s.admin)
	}
	fmt.Fprintf(stdout, "Start      %s\nClients    %s\nSettings   drawpile-srv check --data %s\n", s.command(), s.address(), s.dir)
	return exitOK
}

func readSite(g given, extra []string) (*site, error) {
	s := &site{admin: adminName, host: g["local-host"], port: defaultPort, user: g["user"]}
	if len(extra) != 1 || extra[0] == "" {
		return nil, errors.New("init: write the name of one folder; init --help tells more")
	}
	s.dir = extra[0]
	if g.has("admin") {
		s.admin = g["admin"]
	}
	if !db.ValidName(s.admin) {
		return nil, fmt.Errorf("init: --admin %q is no user name: 1 to 22 characters without quotation marks", s.admin)
	}
	if g.has("port") {
		n, err := settings.ParseInt(g["port"])
		if err != nil || n < 1 || n > 65535 {
			return nil, fmt.Errorf("init: --port %s: write a port from 1 to 65535", g["port"])
		}
		s.port = n
	}
	return s, nil
}

// make makes everything. It never touches what is there already.
func (s *site) make(pass string) error {
	path := filepath.Join(s.dir, databaseName)
	if _, err := store.OS.Stat(path); err == nil {
		return fmt.Errorf("init: %s exists already; choose another folder, or change accounts with passwd", path)
	}
	if err := store.OS.MkdirAll(s.dir, dataPerm); err != nil {
		return fmt.Errorf("init: %w; choose a folder that you may make", err)
	}
	if s.user != "" {
		if err := s.handOver(); err != nil {
			return err
		}
	}
	for _, sub := range []string{"sessions", "tls"} {
		if err := store.OS.MkdirAll(filepath.Join(s.dir, sub), dataPerm); err != nil {
			return fmt.Errorf("init: %w", err)
		}
	}
	if _, _, err := keypair.SelfSigned(filepath.Join(s.dir, "tls"), time.Now()); err != nil {
		return fmt.Errorf("init: %w", err)
	}
	hash, err := password.Hash(pass)
	if err != nil {
		return fmt.Errorf("init: %w", err)
	}
	d, err := db.Open(path, db.Options{})
	if err != nil {
		return fmt.Errorf("init: %w", err)
	}
	// The settings that --data stands for without a database.
	err = d.SetSettings(map[string]string{
		"persistence": "true", "emptySessionLingerTime": strconv.Itoa(int(lingerTime/time.Minute)) + "m",
	})
	if err == nil {
		_, err = d.AddAccount(db.Account{Name: s.admin, PasswordHash: hash, Flags: "MOD"})
	}
	if err = errors.Join(err, d.Close()); err != nil {
		return fmt.Errorf("init: %w", err)
	}
	return nil
}

// handOver gives the folder to the account of --user and goes on as that.
func (s *site) handOver() error {
	uid, gid, err := userIDs(s.user)
	if err == nil {
		err = os.Chown(s.dir, uid, gid)
	}
	if err != nil {
		return fmt.Errorf("init: --user %s: %w", s.user, err)
	}
	return becomeUser(s.user)
}

// command is how to start the server.
func (s *site) command() string {
	c := "drawpile-srv --data " + s.dir
	if s.user != "" {
		c += " --user " + s.user
	}
	if s.port != defaultPort {
		c += " --port " + strconv.Itoa(s.port)
	}
	if s.host != "" {
		c += " --local-host " + s.host
	}
	return c
}

// address is what people type into their clients.
func (s *site) address() string {
	host := s.host
	if host == "" {
		host = machineAddress()
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if s.port != defaultPort {
		host += ":" + strconv.Itoa(s.port)
	}
	return "drawpile://" + host + "/"
}

// machineAddress returns an address under which others may reach this machine:
// a public one if there is any, else a private one, else that of itself.
func machineAddress() string {
	best, rank := "127.0.0.1", 0
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return best
	}
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue
		}
		ip := p.Addr().Unmap()
		r := 0
		switch {
		case ip.IsLoopback() || ip.IsLinkLocalUnicast():
		case ip.Is4() && !ip.IsPrivate():
			r = 4
		case ip.Is6() && !ip.IsPrivate():
			r = 3
		case ip.Is4():
			r = 2
		default:
			r = 1
		}
		if r > rank {
			best, rank = ip.String(), r
		}
	}
	return best
}

// firstPassword reads the first account's password, or makes one up.
func firstPassword(in *os.File, prompt io.Writer, name string) (pass string, made bool, err error) {
	if term.IsTerminal(int(in.Fd())) {
		pass, err = askPassword(in, prompt, "Password for "+name+" (empty = make one up)")
	} else {
		pass, err = bufio.NewReader(io.LimitReader(in, maxPassword+2)).ReadString('\n')
		pass = strings.TrimRight(pass, "\r\n")
		if errors.Is(err, io.EOF) {
			err = nil
		}
	}
	if err != nil {
		return "", false, fmt.Errorf("read the password: %w", err)
	}
	if pass == "" {
		return rand.Text()[:madePassword], true, nil
	}
	pass, err = checkNewPassword(pass)
	return pass, false, err
}
