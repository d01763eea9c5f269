package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"drawrelay/store/db"
)

// TestRunLogTellsNoSecrets goes through everything that people do with
// passwords, tokens and invite codes, right and wrong, and looks for them in
// the log on standard error, in both forms, and in the database's.
func TestRunLogTellsNoSecrets(t *testing.T) {
	for _, form := range []string{"text", "json"} {
		t.Run(form, func(t *testing.T) {
			fake := newAuthFake(t)
			path := filepath.Join(t.TempDir(), "config.db")
			d, err := db.Open(path, db.Options{})
			if err == nil {
				err = d.SetSettings(map[string]string{
					"extauth": "true", "extauthkey": fake.publicKey(), "abusereport": "true", "reporttoken": "REPORT-TOKEN",
					"extBansUrl": "http://user:BANS-PASSWORD@127.0.0.1:1/BANS-KEY/",
				})
			}
			if err == nil {
				_, err = d.AddAccount(db.Account{Name: "carol", PasswordHash: "plain;ACCOUNT-PASSWORD", Flags: "MOD"})
			}
			if err == nil {
				err = d.Close()
			}
			if err != nil {
				t.Fatal(err)
			}
			key := strings.Repeat("Q", 43) + "="
			s := launch(t, "--database", path, "--extauth", fake.url, "--crypt-key", key, "--log-format", form,
				"--report-url", "http://user:URL-PASSWORD@127.0.0.1:1/REPORT-KEY", "--sync-interval", "0")
			sid := 0
			enter := func(c *client, command string, more string) {
				sid++
				c.send(fmt.Sprintf(`{"cmd":%s,"kwargs":{"protocol":"dp:4.24.0","user_id":1,"app_version":"2.3.0","s":"%032x"%s}}`, command, sid, more))
			}

			// Accounts, with wrong, misplaced and broken input around them.
			c, _ := s.connect()
			c.send(`{"cmd":"ident","args":["carol","WRONG-PASSWORD"]}`)
			c.reply(`"badPassword"`)
			c.send(`{"cmd":"ident","args":["carol","ACCOUNT-PASSWORD","EXTRA-PASSWORD"]}`)
			c.reply(`"syntax"`)
			c, _ = s.connect()
			c.send(`{"cmd":"ident","args":["carol","BROKEN-PASSWORD"`)
			c, _ = s.connect()
			c.send(`{"cmd":"join","args":["x"],"kwargs":{"password":"EARLY-PASSWORD"}}`)
			c, _ = s.connect()
			c.send(`{"cmd":"ident","args":["carol","ACCOUNT-PASSWORD"]}`)
			c.reply(`"identOk"`)
			enter(c, `"host"`, `,"alias":"hidden","password":"SESSION-PASSWORD"`)
			c.reply(`"Starting new session!"`)
			c.send(`{"cmd":"init-complete"}`)
			c.reply(`"sessionconf"`)

			// The session's passwords and invite codes.
			c.send(`{"cmd":"sessionconf","kwargs":{"opword":"OPERATOR-PASSWORD"}}`)
			c.send(`{"cmd":"sessionconf","kwargs":{"password":"SECOND-PASSWORD"}}`)
			c.reply(`"passwordchange"`)
			c.send(`{"cmd":"invite-create","kwargs":{"maxUses":1}}`)
			var made struct{ Secret string }
			if err := json.Unmarshal([]byte(c.reply(`"invitecreated"`)), &made); err != nil || made.Secret == "" {
				t.Fatal(err)
			}
			c.send(`{"cmd":"invite-remove","args":["WRONG-CODE"]}`)
			c.reply(`not found`)

			guest, _ := s.connect()
			guest.send(`{"cmd":"ident","args":["guest"]}`)
			guest.reply(`"identOk"`)
			enter(guest, `"join","args":["hidden"]`, `,"password":"WRONG-SESSION-PASSWORD"`)
			guest.reply(`"badPassword"`)
			enter(guest, `"join","args":["hidden"]`, `,"password":"SECOND-PASSWORD"`)
			guest.reply(`"Joining a session!"`)
			guest.send(`{"cmd":"gain-op","args":["WRONG-OPERATOR-PASSWORD"]}`)
			guest.send(`{"cmd":"gain-op","args":["OPERATOR-PASSWORD"]}`)
			guest.send(`{"cmd":"report","kwargs":{"user":1,"reason":"rude"}}`)
			s.await("the failed report", func() bool {
				return strings.Contains(s.log.String(), "Made operator by password") && strings.Contains(s.log.String(), "Unable to send abuse report")
			})
			_ = guest.conn.Close()
			s.awaitLog("Left session")

			for _, id := range []string{"hidden:WRONG-CODE", "hidden:" + made.Secret} {
				invited, _ := s.connect()
				invited.send(fmt.Sprintf(`{"cmd":"lookup","args":[%q]}`, id))
				if invited.reply(`"type"`); strings.Contains(id, "WRONG") {
					continue
				}
				invited.send(`{"cmd":"ident","args":["guest"]}`)
				invited.reply(`"identOk"`)
				enter(invited, `"join","args":["hidden"]`, "")
				invited.reply(`"Joining a session!"`)
			}

			// Tokens, good and bad.
			tokens := []string{}
			for _, nonce := range []string{"right", "wrong"} {
				c, _ := s.connect()
				c.send(`{"cmd":"ident","args":["auth"]}`)
				needed := c.challenge(fake.url)
				if nonce == "wrong" {
					needed.Nonce += "0"
				}
				token := fake.token(fmt.Sprintf(`{"username":"Ext","uid":7,"nonce":%q}`, needed.Nonce))
				tokens = append(tokens, token, token[strings.LastIndexByte(token, '.')+1:], needed.Nonce)
				c.send(fmt.Sprintf(`{"cmd":"ident","args":["auth"],"kwargs":{"extauth":%q}}`, token))
				c.reply(`"type"`)
			}
			s.awaitLog("Login error (extAuthError)")
			if status := s.stop(syscall.SIGTERM); status != exitOK {
				t.Errorf("exit status %d", status)
			}

			logs := map[string]string{
				"standard error": s.log.String(),
				"the database":   strings.Join(ask(t, path, `SELECT message || ' ' || user || ' ' || session FROM serverlog`), "\n"),
			}
			for where, text := range logs {
				if !strings.Contains(text, "Incorrect password for account carol") || !strings.Contains(text, "Used invite created by") {
					t.Errorf("%s has not seen it all:\n%s", where, text)
				}
				for _, secret := range append(tokens, "PASSWORD", "WRONG-CODE", "KEY", "REPORT-TOKEN", made.Secret, key) {
					if strings.Contains(text, secret) {
						t.Errorf("%s tells %q:\n%s", where, secret, text)
					}
				}
			}
		})
	}
}
