package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// kit is the command line of the reference's deployment kit
// (integrations.md §7.3). DOMAIN may be an address.
const kit = `--sessions HOME/sessions --database HOME/config.db
	--web-admin-port ADMIN --web-admin-access all --templates TEMPLATES
	--local-host 192.0.2.7 --extauth https://drawpile.net/api/ext-auth/
	--report-url http://abusereport:8080/ --websocket-port WEBSOCKET`

// integrations.md §9 items 45, 46 and 47: the kit starts on an empty volume,
// and on one written by the reference, with templates that cannot be written.
func TestRunKit(t *testing.T) {
	for _, volume := range []string{"empty", "of the reference"} {
		home, templates := t.TempDir(), filepath.Join(t.TempDir(), "templates")
		if volume != "empty" {
			if err := os.CopyFS(filepath.Join(home, "sessions"), os.DirFS("../../store/testdata/fixtures")); err != nil {
				t.Fatal(err)
			}
		}
		ports := []int{freePort(t), freePort(t)}
		line := strings.NewReplacer("HOME", home, "TEMPLATES", templates, "ADMIN", strconv.Itoa(ports[0]), "WEBSOCKET", strconv.Itoa(ports[1])).Replace(kit)
		args := strings.Fields(line)
		if status, _, text := runOnce(t, append([]string{"--port", strconv.Itoa(freePort(t))}, args...)...); status != exitFailed || !strings.Contains(text, templates) {
			t.Errorf("47: without the templates: status %d, %s", status, text)
		}
		if err := os.Mkdir(templates, 0o500); err != nil {
			t.Fatal(err)
		}
		writeTo(t, filepath.Join(home, "x"), "somebody else's file")
		for _, start := range []string{"first", "second"} {
			s := launch(t, args...)
			for _, p := range ports {
				s.await("port "+strconv.Itoa(p), func() bool {
					return strings.Contains(s.log.String(), "connections on port "+strconv.Itoa(p)) ||
						strings.Contains(s.log.String(), "admin API on port "+strconv.Itoa(p))
				})
			}
			if volume != "empty" {
				c := s.login("bob", "").client
				if list := c.reply(`"sessions":[{`); !strings.Contains(list, "01m7xq9y4kv4dd18t4mn55g9qx") {
					t.Errorf("46: %s start: sessions of the reference: %s", start, list)
				}
			} else if start == "first" {
				s.awaitLog("--report-url has no effect until the setting abusereport is true")
				s.hostAs("alice", "kit").cmd("sessionconf", map[string]any{"title": "x"})
			} else {
				s.login("bob", "") // the session need not be there: by default none persists
			}
			if status := s.stop(syscall.SIGTERM); status != exitOK {
				t.Errorf("45: %s volume, %s start: status %d", volume, start, status)
			}
		}
		if _, err := os.Stat(filepath.Join(home, "config.db")); err != nil {
			t.Error(err)
		}
	}
}

// deployed reads a file of the deploy folder.
func deployed(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("deploy", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Options in the files for deployment are options that exist, with values that
// are accepted together.
func TestDeployOptions(t *testing.T) {
	unit := deployed(t, "drawpile-srv.service")
	_, exec, _ := strings.Cut(unit, "ExecStart=/usr/bin/drawpile-srv ")
	exec, _, _ = strings.Cut(exec, "\n")
	line, variable, _ := strings.Cut(exec, " $")
	if !strings.Contains(deployed(t, "debian/default"), "\n"+variable+"=") {
		t.Errorf("the unit reads %q, which /etc/default does not set", variable)
	}
	lines := [][]string{strings.Fields(line)}
	for _, l := range strings.Split(deployed(t, "debian/default"), "\n") {
		if text, ok := strings.CutPrefix(l, "#   --"); ok {
			lines = append(lines, append(strings.Fields(line), strings.Fields("--"+text)...))
		}
	}
	var compose []string
	for _, m := range regexp.MustCompile(`(?m)^ +- (--\S+?)(?:\$\{\S+.*\})?$`).FindAllStringSubmatch(deployed(t, "compose.yaml"), -1) {
		compose = append(compose, m[1])
	}
	if len(compose) < 8 {
		t.Fatalf("compose.yaml: only %q found", compose)
	}
	lines = append(lines, compose)
	_, nginx, _ := strings.Cut(deployed(t, "nginx.conf"), "#   --")
	nginx, _, _ = strings.Cut(nginx, "\n")
	lines = append(lines, strings.Fields("--"+nginx))
	for _, args := range lines {
		if _, err := parseOptions(args); err != nil {
			t.Errorf("%q: %v", args, err)
		}
	}
}

// The image keeps the contract of the reference's (integrations.md §7.3).
func TestContainerfile(t *testing.T) {
	text := deployed(t, "Containerfile")
	for _, want := range []string{"\nENTRYPOINT [\"/bin/drawpile-srv\"]\n", "\nUSER drawpile\n", "\nEXPOSE 27750\n", "drawpile:x:1000:1000:drawpile:/home/drawpile:"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
	for _, bad := range []string{"\nCMD", "\nHEALTHCHECK", "\nVOLUME"} {
		if strings.Contains(text, bad) {
			t.Errorf("%q", bad)
		}
	}
	compose := deployed(t, "compose.yaml")
	for _, want := range []string{"\n  drawpile-srv:\n", "serverdata:/home/drawpile\n", "/var/session-templates:ro\n", "\"27750:27750\"\n"} {
		if !strings.Contains(compose, want) {
			t.Errorf("compose.yaml: no %q", want)
		}
	}
}

// systemd knows everything in the units, if it is installed.
func TestUnits(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("no systemd-analyze")
	}
	out, _ := exec.Command(analyze, "verify", "--man=no", "deploy/drawpile-srv.service", "deploy/drawpile-srv.socket").CombinedOutput()
	for _, l := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		if strings.Contains(l, "drawpile-srv") && !strings.Contains(l, "/usr/bin/drawpile-srv is not executable") {
			t.Error(l)
		}
	}
}

// The packages hold what they should, owned by root, and their scripts are
// sound.
func TestDebianPackages(t *testing.T) {
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Skip("no dpkg-deb")
	}
	dir := t.TempDir()
	t.Setenv(runAsServer, "1") // whoever prints manual page and completions is this program
	for _, arch := range []string{"amd64", "arm64", "arm"} {
		for _, name := range []string{"drawpile-srv", "dprectool"} {
			writeTo(t, filepath.Join(dir, name+"-9.8.7-linux-"+arch), name+" for "+arch)
		}
	}
	if out, err := exec.Command("sh", "deploy/package", "9.8.7", os.Args[0], dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, arch := range []string{"amd64", "arm64", "armhf"} {
		file := filepath.Join(dir, "drawpile-srv_9.8.7_"+arch+".deb")
		out, err := exec.Command("dpkg-deb", "--field", file, "Package", "Version", "Architecture").Output()
		if want := "Package: drawpile-srv\nVersion: 9.8.7\nArchitecture: " + arch + "\n"; string(out) != want || err != nil {
			t.Errorf("%s: %q, %v", arch, out, err)
		}
		list, err := exec.Command("dpkg-deb", "--contents", file).Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			"-rwxr-xr-x root/root * ./usr/bin/drawpile-srv", "-rwxr-xr-x root/root * ./usr/bin/dprectool", "-rw-r--r-- root/root * ./lib/systemd/system/drawpile-srv.service",
			"-rw-r--r-- root/root * ./lib/systemd/system/drawpile-srv.socket", "-rw-r--r-- root/root * ./etc/default/drawpile-srv",
			"-rw-r--r-- root/root * ./usr/share/man/man1/drawpile-srv.1.gz", "-rw-r--r-- root/root * ./usr/share/bash-completion/completions/drawpile-srv",
		} {
			pattern := strings.ReplaceAll(regexp.QuoteMeta(want), `\*`, ".*")
			if !regexp.MustCompile("(?m)^" + pattern + "$").Match(list) {
				t.Errorf("%s: no %s in\n%s", arch, want, list)
			}
		}
	}
	unpacked := filepath.Join(dir, "unpacked")
	if out, err := exec.Command("dpkg-deb", "--raw-extract", filepath.Join(dir, "drawpile-srv_9.8.7_armhf.deb"), unpacked).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if b, err := os.ReadFile(filepath.Join(unpacked, "usr/bin/drawpile-srv")); string(b) != "drawpile-srv for arm" {
		t.Errorf("armhf has %q, %v", b, err)
	}
	for _, script := range []string{"postinst", "prerm", "postrm"} {
		if out, err := exec.Command("sh", "-n", filepath.Join(unpacked, "DEBIAN", script)).CombinedOutput(); err != nil {
			t.Errorf("%s: %v %s", script, err, out)
		}
	}
	if b, _ := os.ReadFile(filepath.Join(unpacked, "DEBIAN/conffiles")); string(b) != "/etc/default/drawpile-srv\n" {
		t.Errorf("conffiles %q", b)
	}
}
