package relay

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"drawrelay/frame"
	"drawrelay/store/entry"
	"drawrelay/store/storetest"
)

// session.md §32 D10: a session whose files cannot be created does not come to
// be; its host is told, nothing is left behind, and the server goes on.
func TestHostingWithoutDisk(t *testing.T) {
	fsys := storetest.New(1)
	ts := startServer(t, setup{loops: 1, files: true, fs: fsys, grace: forever})
	host := func() error {
		c, ec := ts.connect("host")
		v, _ := frame.ParseVersion("dp:4.25.1")
		err := ts.Host(context.Background(), &entry.HostRequest{Person: c.person(), Conn: ec, UserID: 1, Version: v, Alias: "demo"})
		if err != nil {
			_ = ec.Net.Close()
			return err
		}
		go c.readAll()
		c.waitReply("result")
		return nil
	}
	fsys.SetFree(10)
	if err := host(); err != entry.ErrIDInUse {
		t.Errorf("without space: %v", err)
	}
	ts.awaitLog("Cannot create the files of a session")
	if n := len(fsys.Files(ts.dir)); n != 0 {
		t.Errorf("%d files are left", n)
	}
	if all := ts.All(); len(all) != 0 {
		t.Errorf("%d sessions", len(all))
	}
	fsys.SetFree(-1)
	if err := host(); err != nil { // the alias is free
		t.Errorf("with space: %v", err)
	}
	if text := ts.out.String(); strings.Contains(text, "internal error") {
		t.Error(fmt.Sprint("log: ", text))
	}
}
