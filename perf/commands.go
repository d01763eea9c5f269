//go:build linux

package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"drawrelay/perf/baseline"
	"drawrelay/perf/scenario"
)

func runCommand(args []string, out io.Writer) error {
	var o options
	fs, finish := newFlags("run", "SCENARIO[,SCENARIO…] --server SPEC [options]", &o)
	if err := o.parse(fs, finish, args, out); err != nil {
		return err
	}
	if len(o.servers) != 1 {
		return errors.New("run takes exactly one --server; see compare for more")
	}
	return o.execute(out)
}

func compareCommand(args []string, out io.Writer) error {
	var o options
	fs, finish := newFlags("compare", "SCENARIO[,SCENARIO…] --server SPEC --server SPEC … [options]", &o)
	fs.Set("repeat", "3")
	fs.Lookup("repeat").DefValue = "3"
	if err := o.parse(fs, finish, args, out); err != nil {
		return err
	}
	if len(o.servers) < 2 {
		return errors.New("compare takes two or more --server")
	}
	return o.execute(out)
}

// benchUpload is the size of the session that bench downloads, in bytes.
const benchUpload = 25e6

// benchCommand is what "make bench" runs; it must end within two minutes.
func benchCommand(args []string, out io.Writer) error {
	var o options
	fs, finish := newFlags("bench", "[--ours PATH] [options]", &o)
	ours := fs.String("ours", "", "`path` of our server's binary; without it only the baselines run")
	for name, value := range map[string]string{"duration": "1s", "repeat": "3", "retries": "0"} {
		fs.Set(name, value)
		fs.Lookup(name).DefValue = value
	}
	if err := o.parse(fs, finish, args, out); err != nil {
		return err
	}
	if len(o.servers) > 0 {
		return errors.New("bench chooses its servers; see compare for others")
	}
	specs := []string{"twin", "floor"}
	if *ours != "" {
		if _, err := os.Stat(*ours); err != nil {
			return err
		}
		specs = append([]string{"ours=" + *ours}, specs...)
	}
	for _, text := range specs {
		spec, err := scenario.ParseSpec(text)
		if err != nil {
			return err
		}
		o.servers = append(o.servers, spec)
	}
	if len(o.scenarios) > 0 {
		return o.execute(out)
	}
	for _, name := range []string{"fanout-10", "fanout-50", "latency", "catchup-8"} {
		s, err := scenario.Find(name)
		if err != nil {
			return err
		}
		o.scenarios = append(o.scenarios, s)
	}
	if o.Bytes == 0 {
		o.adjust = func(name string, so *scenario.Options) {
			if name == "catchup-8" {
				so.Bytes = benchUpload
			}
		}
	}
	return o.execute(out)
}

// execute runs all scenarios by turns: A B A B.
func (o *options) execute(out io.Writer) error {
	if len(o.scenarios) == 0 {
		return errors.New("no scenario given")
	}
	names := map[string]bool{}
	for _, s := range o.servers {
		if names[s.Name] {
			return fmt.Errorf("two servers are named %q", s.Name)
		}
		names[s.Name] = true
	}
	if err := o.pin(); err != nil {
		return err
	}
	rep := newReport(o)
	failed := 0
	for _, s := range o.scenarios {
		so := o.Options
		if o.adjust != nil {
			o.adjust(s.Name, &so)
		}
		for range o.repeat {
			for _, spec := range o.servers {
				res := scenario.Run(s, spec, so)
				rep.add(res)
				if res.Error != "" {
					failed++
				}
				if o.verbose {
					printRun(out, res)
				}
			}
		}
		rep.print(out, s.Name)
	}
	if o.json != "" {
		if err := rep.write(o.json); err != nil {
			return err
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d runs failed", failed)
	}
	return nil
}

func serveCommand(name string, args []string, out io.Writer) error {
	fs := newFlagSet(name, "[options]", "")
	port := fs.Int("port", 0, "TCP port on 127.0.0.1; 0 = any free one")
	cert := fs.String("ssl-cert", "", "certificate `file`; only the twin speaks TLS")
	key := fs.String("ssl-key", "", "key `file`")
	if err := parseFlags(fs, args, out); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(*port))
	var srv baseline.Server
	var err error
	if name == "serve-twin" {
		var opt baseline.TwinOptions
		if *cert != "" || *key != "" {
			pair, err := tls.LoadX509KeyPair(*cert, *key)
			if err != nil {
				return err
			}
			opt.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
		}
		srv, err = baseline.ListenTwin(addr, opt)
	} else if *cert != "" || *key != "" {
		return errors.New("the floor speaks no TLS")
	} else {
		srv, err = baseline.ListenFloor(addr)
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "listening on", srv.Addr())
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	<-stop
	return srv.Close()
}
