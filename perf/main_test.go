//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"drawrelay/perf/scenario"
)

// TestMain lets the test binary stand in for the program, which starts itself
// as a baseline server.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (strings.HasPrefix(os.Args[1], "serve-") || os.Args[1] == "exec-on") {
		if err := dispatch(os.Args[1:], os.Stdout); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestBadCommandLines(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"", "no command"},
		{"fly", "unknown command"},
		{"run", "exactly one --server"},
		{"run fanout-10", "exactly one --server"},
		{"run --server twin", "no scenario"},
		{"run fanout-0 --server twin", "unknown scenario"},
		{"run fanout-255 --server twin", "unknown scenario"},
		{"run fanout-x --server twin", "unknown scenario"},
		{"run swim --server twin", "unknown scenario"},
		{"run fanout-10 --server oak", "must be twin"},
		{"run fanout-10 --server x=", "missing"},
		{"run fanout-10 --server", "needs an argument"},
		{"run fanout-10 --server twin --bytes ten", "bytes"},
		{"run fanout-10 --server twin --size 5", "--size"},
		{"run fanout-10 --server twin --members 300", "254"},
		{"run fanout-10 --server twin --verify nothing", "verify"},
		{"run fanout-10 --server twin --mss 9", "--mss"},
		{"run fanout-10 --server twin --duration -1s", "negative"},
		{"run fanout-10 --server twin --repeat 0", "--repeat"},
		{"run fanout-10 --server twin --server-cpu 4096", "processors"},
		{"run fanout-10 --server twin --nonsense", "not defined"},
		{"compare fanout-10 --server twin", "two or more"},
		{"compare fanout-10 --server twin --server twin", "two servers"},
		{"bench --ours /nonexistent", "no such file"},
		{"bench --server twin", "chooses its servers"},
		{"diff one.json", "usage"},
		{"serve-twin extra", "unexpected"},
		{"serve-floor --ssl-cert x", "no TLS"},
		{"exec-on", "usage"},
	} {
		var out bytes.Buffer
		err := dispatch(strings.Fields(tt.args), &out)
		if err == nil && strings.Contains(out.String(), tt.want) {
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: got error %v, output %q, want %q", tt.args, err, out.String(), tt.want)
		}
	}
}

func TestHelp(t *testing.T) {
	for _, args := range []string{"--help", "run --help", "compare -h", "bench --help", "serve-twin --help"} {
		var out bytes.Buffer
		if err := dispatch(strings.Fields(args), &out); err != nil && !errors.Is(err, flag.ErrHelp) || !strings.Contains(out.String(), "usage") {
			t.Errorf("%q: got %v, output %q", args, err, out.String())
		}
	}
}

func TestSpecs(t *testing.T) {
	for _, tt := range []struct {
		text, want string // words of the command, or the address
	}{
		{"a=srv --port {port}", "srv --port {port}"},
		{"b=127.0.0.1:27750", "127.0.0.1:27750"},
		{"c=[::1]:27750#12", "[::1]:27750"},
		{"ours=/x/srv", "/x/srv --port {port} --listen 127.0.0.1 --config {config} {file} {tls} {web} {admin} {plain}"},
		{"ref=/x/srv", "/x/srv --port {port} --listen 127.0.0.1 --config {config} {file} {tls} {web} {admin} --ssl-key-algorithm ec"},
	} {
		s, err := scenario.ParseSpec(tt.text)
		if got := s.Addr + strings.Join(s.Command, " "); err != nil || got != tt.want {
			t.Errorf("%q: got %q, %v", tt.text, got, err)
		}
	}
	if s, err := scenario.ParseSpec("c=[::1]:27750#12"); err != nil || s.PID != 12 {
		t.Errorf("process id %d, %v", s.PID, err)
	}
}

// TestCompare starts both baselines as processes of their own and reads what
// they cost.
func TestCompare(t *testing.T) {
	file := filepath.Join(t.TempDir(), "out.json")
	var out bytes.Buffer
	err := dispatch([]string{"compare", "fanout-5,tls-fanout-3", "--server", "twin", "--server", "floor", "--repeat", "2",
		"--no-pin", "--retries", "0", "--duration", "100ms", "--bytes", "2mb", "--json", file}, &out)
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, want := range []string{"cpu/delivery [us]", "floor/twin", "not applicable"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in the output:\n%s", want, out.String())
		}
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r report
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Results) != 8 {
		t.Fatalf("got %d results, want 8", len(r.Results))
	}
	for _, res := range r.Results {
		for _, m := range res.Metrics {
			if m.Name == "cpu/delivery" && m.Value <= 0 || m.Name == "peak memory" && m.Value < 1 {
				t.Errorf("%s %s: %s is %v", res.Scenario, res.Server, m.Name, m.Value)
			}
		}
	}
	out.Reset()
	if err := dispatch([]string{"diff", file, file}, &out); err != nil || !strings.Contains(out.String(), "twin new/twin old") {
		t.Errorf("diff: %v\n%s", err, out.String())
	}
}

func TestReportTakesMedians(t *testing.T) {
	r := &report{Servers: []string{"a", "b"}, Time: time.Now()}
	for i, v := range []float64{5, 1, 3} {
		r.add(scenario.Result{Scenario: "s", Server: "a", Metrics: []scenario.Metric{{Name: "m", Value: v, Better: "lower"}}})
		r.add(scenario.Result{Scenario: "s", Server: "b", Disturbed: i == 0, Metrics: []scenario.Metric{{Name: "m", Value: 2 * v, Better: "lower"}}})
	}
	var out bytes.Buffer
	r.print(&out, "s")
	for _, want := range []string{"3.00 (1.00–5.00)", "6.00 (2.00–10.0)", "2.00 x", "1 of 3 runs disturbed"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}
