package login

import (
	"drawrelay/frame"
	"drawrelay/store/serverlog"
)

// state is what the connection waits for (login.md §3).
type state uint8

const (
	waitForSecure state = iota
	waitForClientInfo
	waitForLookup
	waitForIdent
	waitForLogin
	ignore // banned: nothing is answered but pings
)

// firstState reads the settings that are read once and returns the state
// after the hello.
func (c *conn) firstState() state {
	set := c.server.cfg.Settings.Get()
	minimum, ok := frame.ParseVersion(set.MinimumProtocolVersion)
	c.onlyLookup = set.MandatoryLookup
	c.needLookup = set.MandatoryLookup || ok && minimum.NeedsSystemID()
	c.matchHost = set.RequireMatchingHost
	if c.needTLS {
		return waitForSecure
	}
	return c.afterSecure()
}

func (c *conn) afterSecure() state {
	if c.matchHost {
		return waitForClientInfo
	}
	return c.afterInfo()
}

func (c *conn) afterInfo() state {
	if c.needLookup {
		return waitForLookup
	}
	return waitForIdent
}

// dispatch runs the step of a command, if the state admits it.
func (c *conn) dispatch(cmd frame.Command) error {
	switch c.state {
	case waitForSecure:
		if cmd.Name == "startTls" {
			return c.startTLS()
		}
		c.log(serverlog.Error, serverlog.RuleBreak, "Client did not upgrade to TLS mode!")
		return errTLSRequired
	case waitForClientInfo:
		if cmd.Name == "cinfo" {
			return c.clientInfo(cmd)
		}
		return errClientInfoUnsupported
	case waitForLookup:
		switch cmd.Name {
		case "cinfo":
			return c.clientInfo(cmd)
		case "lookup":
			return c.lookup(cmd)
		}
		return errLookupUnsupported
	case waitForIdent:
		switch cmd.Name {
		case "cinfo":
			return c.clientInfo(cmd)
		case "lookup":
			return c.lookup(cmd)
		case "ident":
			return c.ident(cmd)
		}
		c.log(serverlog.Error, serverlog.RuleBreak, "Invalid login command (while waiting for ident): "+cmd.Name)
		return &violation{cmd.Name}
	case waitForLogin:
		switch cmd.Name {
		case "host":
			return c.host(cmd)
		case "join":
			return c.join(cmd)
		case "report":
			c.report(cmd)
			return nil
		}
		c.log(serverlog.Error, serverlog.RuleBreak, "Invalid login command (while waiting for join/host): "+cmd.Name)
		return &violation{cmd.Name}
	}
	return nil
}
