package admin

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"drawrelay/relay"
	"drawrelay/store/latency"
)

const (
	// topSessions is how many sessions have figures of their own: more would
	// make the metrics of a large server large.
	topSessions = 20
	// scrapes is how many scrapes are served at a time.
	scrapes = 2
	// scrapeTime bounds one.
	scrapeTime = 10 * time.Second
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("drawpile_"+name, help, labels, nil)
}

// Metrics of the server; README.md lists them.
var (
	metricConnections     = describe("connections", "Open connections of clients.", "kind")
	metricSessions        = describe("sessions", "Live sessions.")
	metricMembers         = describe("members", "People in sessions.")
	metricLagging         = describe("members_lagging", "Members who do not take what they are sent, looked at once a second.")
	metricMessagesIn      = describe("messages_in_total", "Messages received from members.")
	metricDeliveries      = describe("deliveries_total", "Messages of history times the members they were for.")
	metricBytesIn         = describe("bytes_in_total", "Bytes of messages received from members.")
	metricBytesOut        = describe("bytes_out_total", "Bytes written to the sockets of members.")
	metricFanOut          = describe("fanout_seconds", "Time from the arrival of a message until members have been sent it, sampled.")
	metricHistory         = describe("history_bytes", "History of all sessions.")
	metricSessionMembers  = describe("session_members", "Members of the busiest sessions.", "session")
	metricSessionHistory  = describe("session_history_bytes", "History of the busiest sessions.", "session")
	metricSessionMessages = describe("session_messages_total", "Messages taken into the history of the busiest sessions.", "session")
	metricStoreWrites     = describe("store_writes_total", "Write passes over sessions.")
	metricStoreBytes      = describe("store_written_bytes_total", "Bytes of history written to files.")
	metricStoreErrors     = describe("store_errors_total", "Failed writes and syncs.", "step")
	metricStoreWrite      = describe("store_write_seconds", "Time of write passes over sessions.")
	metricStoreSync       = describe("store_sync_seconds", "Time of syncs of sessions.")
	metricStoreStalled    = describe("store_stalled_sessions", "Sessions delivered ahead of their files, because the disk is slow.")
	metricStoreStalls     = describe("store_stalls_total", "Times a session began to be delivered ahead of its file.")
	metricStoreFailing    = describe("store_failing_sessions", "Sessions that cannot be stored.")
	metricDiskFree        = describe("disk_free_bytes", "Free space for the sessions folder.")
	metricDiskSize        = describe("disk_size_bytes", "Size of the disk of the sessions folder.")
	metricLogDrops        = describe("log_dropped_total", "Log entries that were not written, because too many were waiting.", "to")
	metricCertificate     = describe("certificate_days_left", "Days for which the TLS certificate is still valid.")
	metricPanics          = describe("internal_errors_total", "Broken invariants that were caught.")
	metricStalls          = describe("loop_stalls_total", "Times an event loop did not answer within the limit.")
	metricRequests        = describe("admin_requests_total", "Requests to the admin API, by the first digit of their status.", "status")
	metricStarted         = describe("start_time_seconds", "When the server was started, Unix time.")
)

// collector asks the server when somebody scrapes.
type collector struct{ s *Server }

// Describe implements prometheus.Collector: the metrics are not checked in
// advance, some are there only on some servers.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	put := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) { put(d, prometheus.GaugeValue, v, labels...) }
	counter := func(d *prometheus.Desc, v float64, labels ...string) { put(d, prometheus.CounterValue, v, labels...) }

	cfg := &c.s.cfg
	gauge(metricStarted, float64(cfg.Started.Unix()))
	gauge(metricConnections, float64(cfg.Login.InLogin()), "login")
	for _, kind := range relay.ConnKinds() {
		gauge(metricConnections, float64(cfg.Relay.ConnectionsOf(kind)), kind.String())
	}
	members, history := 0, int64(0)
	sessions := cfg.Relay.All()
	for _, d := range sessions {
		members += d.UserCount
		history += d.Size.Load()
	}
	gauge(metricSessions, float64(len(sessions)))
	gauge(metricMembers, float64(members))
	gauge(metricHistory, float64(history))
	t := cfg.Relay.Traffic()
	gauge(metricLagging, float64(t.Lagging))
	counter(metricMessagesIn, float64(t.MessagesIn))
	counter(metricDeliveries, float64(t.Deliveries))
	counter(metricBytesIn, float64(t.BytesIn))
	counter(metricBytesOut, float64(t.BytesOut))
	out <- histogram(metricFanOut, t.FanOut)
	for _, x := range cfg.Relay.BusiestSessions(topSessions) {
		gauge(metricSessionMembers, float64(x.Members), x.Session)
		gauge(metricSessionHistory, float64(x.Size), x.Session)
		counter(metricSessionMessages, float64(x.Messages), x.Session)
	}
	if cfg.Commits != nil {
		w := cfg.Commits.Stats()
		counter(metricStoreWrites, float64(w.Writes))
		counter(metricStoreBytes, float64(w.Bytes))
		counter(metricStoreErrors, float64(w.WriteErrors), "write")
		counter(metricStoreErrors, float64(w.SyncErrors), "sync")
		out <- histogram(metricStoreWrite, w.WriteTime)
		out <- histogram(metricStoreSync, w.SyncTime)
		gauge(metricStoreStalled, float64(w.Stalled))
		counter(metricStoreStalls, float64(w.Stalls))
		gauge(metricStoreFailing, float64(w.Failing))
	}
	if d, known := c.s.disk.look(); known {
		gauge(metricDiskFree, float64(d.Free))
		gauge(metricDiskSize, float64(d.Total))
	}
	counter(metricLogDrops, float64(cfg.Log.Dropped()), "stderr")
	if cfg.Database != nil {
		counter(metricLogDrops, float64(cfg.Database.DroppedEntries()), "database")
	}
	if cfg.Certificate != nil {
		gauge(metricCertificate, float64(cfg.Certificate.DaysLeft(cfg.Now())))
	}
	counter(metricPanics, float64(cfg.Relay.Panics()+cfg.Login.Panics()))
	counter(metricStalls, float64(c.s.stalls.Load()))
	for class := 1; class < len(c.s.requests); class++ {
		counter(metricRequests, float64(c.s.requests[class].Load()), string(rune('0'+class))+"xx")
	}
}

func histogram(d *prometheus.Desc, s latency.Snapshot) prometheus.Metric {
	buckets := make(map[float64]uint64, len(s.Buckets))
	for i, n := range s.Buckets {
		buckets[latency.Bounds[i].Seconds()] = n
	}
	return prometheus.MustNewConstHistogram(d, s.Count, s.Sum.Seconds(), buckets)
}

// newMetrics returns who answers scrapes.
func (s *Server) newMetrics() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collector{s}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

var metricsOptions = promhttp.HandlerOpts{MaxRequestsInFlight: scrapes, Timeout: scrapeTime}
