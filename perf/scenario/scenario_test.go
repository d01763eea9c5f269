//go:build linux

package scenario

import (
	"crypto/tls"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"drawrelay/frame"
	"drawrelay/perf/baseline"
	"drawrelay/perf/load"
)

func init() { slowSettling, idleSettling = 50*time.Millisecond, 50*time.Millisecond }

// tiny makes every scenario last a fraction of a second.
func tiny() Options {
	o := Defaults()
	o.Pin, o.Retries = false, 0
	o.Duration, o.Bytes = 200*time.Millisecond, 2e6
	o.Idle, o.Logins, o.Slow = 40, 40, 2
	o.Verify = load.Full
	return o
}

// overrides shrink what has a number of its own.
var overrides = map[string]func(*Options){
	"sessions":         func(o *Options) { o.Sessions = 10 },
	"sessions-max":     func(o *Options) { o.Sessions = 10 },
	"latency":          func(o *Options) { o.Members = 8 },
	"idle":             func(o *Options) { o.Sessions = 4 },
	"idle+fanout-3":    func(o *Options) { o.Sessions = 4 },
	"churn":            func(o *Options) { o.Sessions = 2 },
	"tls-sessions":     func(o *Options) { o.Sessions = 5 },
	"tls-idle":         func(o *Options) { o.Sessions = 2 },
	"tls-churn":        func(o *Options) { o.Sessions = 2 },
	"tls-sessions-max": func(o *Options) { o.Sessions = 5 },
}

var everyScenario = []string{"fanout-1", "fanout-3", "fanout-20", "latency", "trickle-200", "sessions", "sessions-max",
	"catchup-upload", "catchup-3", "slowreader", "idle", "idle+fanout-3", "churn"}

// serve starts a baseline in this process and returns how to reach it.
func serve(t *testing.T, kind string, opt baseline.TwinOptions) Spec {
	t.Helper()
	var srv baseline.Server
	var err error
	if kind == "twin" {
		srv, err = baseline.ListenTwin("127.0.0.1:0", opt)
	} else {
		srv, err = baseline.ListenFloor("127.0.0.1:0")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { srv.Close() })
	return Spec{Name: kind, Addr: srv.Addr()}
}

func runTiny(t *testing.T, name string, spec Spec, change func(*Options)) Result {
	t.Helper()
	s, err := Find(name)
	if err != nil {
		t.Fatal(err)
	}
	o := tiny()
	if f := overrides[name]; f != nil {
		f(&o)
	}
	if change != nil {
		change(&o)
	}
	return Run(s, spec, o)
}

func TestScenariosAgainstBaselines(t *testing.T) {
	for _, kind := range []string{"twin", "floor"} {
		for _, name := range everyScenario {
			t.Run(kind+"/"+name, func(t *testing.T) {
				res := runTiny(t, name, serve(t, kind, baseline.TwinOptions{}), nil)
				if res.Error != "" {
					t.Fatal(res.Error)
				}
				if len(res.Metrics) < 3 {
					t.Errorf("only %d metrics", len(res.Metrics))
				}
			})
		}
	}
}

func testTLS(t *testing.T) *tls.Config {
	t.Helper()
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "c"), filepath.Join(dir, "k")
	if err := writeCertificate(cert, key); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}}
}

func TestScenariosOverTLS(t *testing.T) {
	config := testTLS(t)
	for _, name := range everyScenario {
		t.Run(name, func(t *testing.T) {
			res := runTiny(t, "tls-"+name, serve(t, "twin", baseline.TwinOptions{TLS: config}), func(o *Options) {
				if f := overrides[name]; f != nil {
					f(o)
				}
			})
			if res.Error != "" {
				t.Fatal(res.Error)
			}
		})
	}
}

func TestEveryVerifyMode(t *testing.T) {
	for _, v := range []load.Verify{load.Headers, load.Full, load.Bytes} {
		for _, name := range []string{"fanout-5", "idle+fanout-3", "slowreader", "catchup-3"} {
			res := runTiny(t, name, serve(t, "floor", baseline.TwinOptions{}), func(o *Options) {
				o.Verify = v
				if f := overrides[name]; f != nil {
					f(o)
				}
			})
			if res.Error != "" {
				t.Errorf("mode %d, %s: %s", v, name, res.Error)
			}
		}
	}
}

// TestFaultsAreFound lets a relay break its promise to one member.
func TestFaultsAreFound(t *testing.T) {
	drawn := func(b []byte) bool { return b[2] >= 140 }
	for _, tt := range []struct {
		name, want string
		// fault gets the n-th drawn message for the victim and what it held
		// back before.
		fault func(n int, b []byte, held *[]byte) [][]byte
	}{
		{"dropped", "lost", func(n int, b []byte, _ *[]byte) [][]byte {
			if n == 50 {
				return nil
			}
			return [][]byte{b}
		}},
		{"last dropped", "received", func(n int, b []byte, _ *[]byte) [][]byte {
			if n >= 50 {
				return nil
			}
			return [][]byte{b}
		}},
		{"swapped", "reordered", func(n int, b []byte, held *[]byte) [][]byte {
			switch n {
			case 50:
				*held = b
				return nil
			case 51:
				return [][]byte{b, *held}
			}
			return [][]byte{b}
		}},
		{"repeated", "repeated", func(n int, b []byte, _ *[]byte) [][]byte {
			if n == 50 {
				return [][]byte{b, b}
			}
			return [][]byte{b}
		}},
		{"invented", "different histories", func(n int, b []byte, _ *[]byte) [][]byte {
			if n == 50 {
				return [][]byte{b, frame.AppendLeave(nil, 77)}
			}
			return [][]byte{b}
		}},
		{"damaged", "damaged", func(n int, b []byte, _ *[]byte) [][]byte {
			if n == 50 {
				b = append([]byte(nil), b...)
				b[len(b)-1]++
			}
			return [][]byte{b}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := 0 // the session's lock protects it
			var held []byte
			spec := serve(t, "twin", baseline.TwinOptions{Fault: func(user uint8, b []byte) [][]byte {
				if user != 3 || !drawn(b) {
					return [][]byte{b}
				}
				n++
				return tt.fault(n, b, &held)
			}})
			// Open loop: the victim of "last dropped" would hold up a closed one.
			res := runTiny(t, "fanout-4", spec, func(o *Options) { o.Rate = 2000 })
			if !strings.Contains(res.Error, tt.want) {
				t.Errorf("got error %q, want one about %q", res.Error, tt.want)
			}
		})
	}
}

func TestLostBytesAreFoundByCounting(t *testing.T) {
	n := 0
	spec := serve(t, "twin", baseline.TwinOptions{Fault: func(user uint8, b []byte) [][]byte {
		if n++; user == 3 && n > 500 && b[2] >= 128 {
			return nil
		}
		return [][]byte{b}
	}})
	old := load.SetDrainLimit(2 * time.Second)
	defer load.SetDrainLimit(old)
	res := runTiny(t, "fanout-6", spec, func(o *Options) {
		o.Verify, o.Sample, o.Rate = load.Bytes, 1, 5000
	})
	if res.Error == "" {
		t.Error("not found")
	}
}

// The baselines have no accounts to attack.
func TestFloodNeedsAccounts(t *testing.T) {
	spec := serve(t, "twin", baseline.TwinOptions{})
	spec.Baseline = true
	if res := runTiny(t, "flood", spec, nil); !res.Skipped || res.Error != "" {
		t.Errorf("%+v", res)
	}
}
