//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"drawrelay/perf/scenario"
)

// reportVersion is the version of the JSON form.
const reportVersion = 1

// report collects the results of one call. It is also the form of --json.
type report struct {
	Version int               `json:"version"`
	Time    time.Time         `json:"time"`
	CPUs    int               `json:"cpus"`
	Pinned  bool              `json:"pinned"`
	Options string            `json:"options"` // the command line
	Servers []string          `json:"servers"` // in the order given; the first is what others are compared with
	Results []scenario.Result `json:"results"` // every run
}

func newReport(o *options) *report {
	r := &report{Version: reportVersion, Time: time.Now().UTC().Truncate(time.Second), CPUs: runtime.NumCPU(),
		Pinned: o.Pin, Options: strings.Join(os.Args[1:], " ")}
	for _, s := range o.servers {
		r.Servers = append(r.Servers, s.Name)
	}
	return r
}

func (r *report) add(res scenario.Result) { r.Results = append(r.Results, res) }

func (r *report) write(path string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

func readReport(path string) (*report, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var r report
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if r.Version != reportVersion {
		return nil, fmt.Errorf("%s: version %d, not %d", path, r.Version, reportVersion)
	}
	return &r, nil
}

// cell is the outcome of all runs of one scenario against one server.
type cell struct {
	metrics   []scenario.Metric // medians
	low, high map[string]float64
	runs      int
	disturbed int
	skipped   bool
	err       string
}

func (r *report) cell(name, server string) cell {
	c := cell{low: map[string]float64{}, high: map[string]float64{}}
	values := map[string][]float64{}
	for _, res := range r.Results {
		if res.Scenario != name || res.Server != server {
			continue
		}
		switch {
		case res.Skipped:
			c.skipped = true
			continue
		case res.Error != "":
			c.err = res.Error
			continue
		}
		c.runs++
		if res.Disturbed {
			c.disturbed++
		}
		for _, m := range res.Metrics {
			if values[m.Name] == nil {
				c.metrics = append(c.metrics, m)
			}
			values[m.Name] = append(values[m.Name], m.Value)
		}
	}
	for i := range c.metrics {
		v := values[c.metrics[i].Name]
		slices.Sort(v)
		c.metrics[i].Value = (v[(len(v)-1)/2] + v[len(v)/2]) / 2
		c.low[c.metrics[i].Name], c.high[c.metrics[i].Name] = v[0], v[len(v)-1]
	}
	return c
}

func (c cell) value(name string) (float64, bool) {
	for _, m := range c.metrics {
		if m.Name == name {
			return m.Value, true
		}
	}
	return 0, false
}

// print writes the table of one scenario: a line per metric, a column per
// server, and ratios to the first.
func (r *report) print(out io.Writer, name string) {
	cells := make([]cell, len(r.Servers))
	var rows []scenario.Metric
	for i, s := range r.Servers {
		cells[i] = r.cell(name, s)
		for _, m := range cells[i].metrics {
			if !slices.ContainsFunc(rows, func(x scenario.Metric) bool { return x.Name == m.Name }) {
				rows = append(rows, m)
			}
		}
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "%s\t", name)
	for _, s := range r.Servers {
		fmt.Fprintf(w, "%s\t", s)
	}
	for _, s := range r.Servers[1:] {
		fmt.Fprintf(w, "%s/%s\t", s, r.Servers[0])
	}
	fmt.Fprintln(w)
	for _, m := range rows {
		label := m.Name
		if m.Unit != "" {
			label += " [" + m.Unit + "]"
		}
		fmt.Fprintf(w, "%s\t", label)
		base, hasBase := cells[0].value(m.Name)
		for _, c := range cells {
			fmt.Fprintf(w, "%s\t", c.text(m.Name))
		}
		for _, c := range cells[1:] {
			if v, ok := c.value(m.Name); ok && hasBase && base != 0 && m.Better != "" {
				fmt.Fprintf(w, "%s x\t", short(v/base))
			} else {
				fmt.Fprint(w, "\t")
			}
		}
		fmt.Fprintln(w)
	}
	w.Flush()
	for i, c := range cells {
		switch {
		case c.err != "":
			fmt.Fprintf(out, "  FAILED %s: %s\n", r.Servers[i], c.err)
		case c.skipped:
			fmt.Fprintf(out, "  %s: not applicable to this server\n", r.Servers[i])
		case c.disturbed > 0:
			fmt.Fprintf(out, "  ! %s: %d of %d runs disturbed by other processes\n", r.Servers[i], c.disturbed, c.runs)
		}
	}
	fmt.Fprintln(out)
}

func (c cell) text(name string) string {
	v, ok := c.value(name)
	if !ok {
		return "-"
	}
	if c.runs < 2 {
		return short(v)
	}
	return fmt.Sprintf("%s (%s–%s)", short(v), short(c.low[name]), short(c.high[name]))
}

// short writes three significant digits.
func short(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.2fM", v/1e6)
	case v >= 1e5:
		return fmt.Sprintf("%.0fk", v/1e3)
	case v >= 100 || v == 0 || v <= -100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10 || v <= -10:
		return fmt.Sprintf("%.1f", v)
	case v >= 1 || v <= -1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

// printRun writes one run in one line.
func printRun(out io.Writer, res scenario.Result) {
	fmt.Fprintf(out, "# %s %s:", res.Scenario, res.Server)
	for _, m := range res.Metrics {
		fmt.Fprintf(out, " %s %s %s;", m.Name, short(m.Value), m.Unit)
	}
	fmt.Fprintf(out, " others %.2f", res.Others)
	if res.Disturbed {
		fmt.Fprint(out, " DISTURBED")
	}
	if res.Error != "" {
		fmt.Fprint(out, " FAILED ", res.Error)
	}
	fmt.Fprintln(out)
}

// diffCommand prints two stored results side by side.
func diffCommand(args []string, out io.Writer) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: perf diff OLD.json NEW.json")
	}
	older, err := readReport(args[0])
	if err != nil {
		return err
	}
	newer, err := readReport(args[1])
	if err != nil {
		return err
	}
	both := &report{}
	var names []string
	for i, r := range []*report{older, newer} {
		for _, res := range r.Results {
			if !slices.Contains(names, res.Scenario) {
				names = append(names, res.Scenario)
			}
			res.Server += []string{" old", " new"}[i]
			both.Results = append(both.Results, res)
		}
	}
	for _, name := range names {
		for _, s := range older.Servers {
			both.Servers = []string{s + " old", s + " new"}
			both.print(out, name)
		}
	}
	return nil
}
