package login

import (
	"drawrelay/frame"
	"drawrelay/store/serverlog"
)

// redirect sends the client to another server if it can follow: it has sent a
// nonce with its lookup (login.md §17). late says that the client has
// identified itself already. It reports whether the client was sent away.
func (c *conn) redirect(target string, late bool) bool {
	if target == "" || !c.mayRedirect {
		return false
	}
	c.log(serverlog.Info, serverlog.Status, "Redirected to "+target)
	reply := frame.Object{"target": target, "data": frame.Object{"transparent": false}}
	if late {
		reply["state"] = "redirect"
	} else {
		reply["lookup"] = "redirect"
	}
	c.result("Redirect", reply)
	c.state = ignore
	return true
}

// noteRedirect remembers whether the client can be sent to another server.
func (c *conn) noteRedirect(cmd frame.Command) {
	c.mayRedirect = frame.Str(cmd.Kwargs["nonce"]) != "" && c.server.cfg.Settings.Get().Redirects()
}
