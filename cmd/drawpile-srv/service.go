package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"drawrelay/store/serverlog"
)

const (
	// statusEvery is how often the service manager is told about changes, and
	// idle servers are looked for.
	statusEvery = time.Second
	// maxFeedInterval is how long the watchdog waits for its food at most
	// (configuration.md §5.1).
	maxFeedInterval = 60 * time.Second
	// notifyTimeout is how long a message may wait for a service manager that
	// does not read. The end of the server, bounded by hardStop, waits for two.
	notifyTimeout = 2 * time.Second
	// restLooks is how many looks in a row must find nobody before a server
	// that can be started on demand ends.
	restLooks = 2
)

// service keeps the service manager informed: systemd, or whoever set
// NOTIFY_SOCKET (configuration.md §5). Without one it only notices when a
// server with passed sockets may end.
type service struct {
	p     *process
	feed  time.Duration // between two meals of the watchdog; 0 = none
	rests chan struct{} // closed when a server with passed sockets is idle

	quit chan struct{}
	done sync.WaitGroup

	mu     sync.Mutex
	failed bool // notifying has failed, and it was logged

	// Only the goroutine of run.
	told  string // last status
	hung  bool   // the watchdog gets nothing, and it was logged
	used  bool   // there was a session or a connection
	empty int    // looks in a row that found nobody
}

// newService reads what the environment says about watchdog and notification.
func newService(p *process) *service {
	s := &service{p: p, rests: make(chan struct{}), quit: make(chan struct{})}
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		p.put(serverlog.Warn, fmt.Sprintf("The watchdog stays off: %v", err))
	}
	s.feed = min(limit/2, maxFeedInterval)
	return s
}

// ready says that everybody can be served, and keeps up the news from then on
// until end is called.
func (s *service) ready() {
	s.told = s.status()
	s.notify(daemon.SdNotifyReady + "\nSTATUS=" + s.told)
	s.done.Go(s.run)
}

// reload runs f and tells the service manager when it begins and ends.
func (s *service) reload(f func()) {
	s.notify(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
	f()
	s.notify(daemon.SdNotifyReady)
}

// end says that the server stops. After it, nothing is asked of the loops any
// more; the stop is bounded by itself.
func (s *service) end() {
	close(s.quit)
	s.done.Wait()
	state := daemon.SdNotifyStopping
	if s.feed > 0 {
		state += "\n" + daemon.SdNotifyWatchdog
	}
	s.notify(state)
}

func (s *service) run() {
	look := time.NewTicker(statusEvery)
	defer look.Stop()
	var hungry <-chan time.Time
	if s.feed > 0 {
		tick := time.NewTicker(s.feed)
		defer tick.Stop()
		hungry = tick.C
		s.feedWatchdog()
	}
	for {
		select {
		case <-look.C:
			if now := s.status(); now != s.told {
				s.told = now
				s.notify("STATUS=" + now)
			}
			s.lookForRest()
		case <-hungry:
			s.feedWatchdog()
		case <-s.quit:
			return
		}
	}
}

// status is the text for people (configuration.md §5.1).
func (s *service) status() string {
	return fmt.Sprintf("%d users and %d sessions", s.p.users(), len(s.p.relay.All()))
}

// feedWatchdog tells the service manager that the server works, if it does:
// every loop has finished a turn and connections are taken.
func (s *service) feedWatchdog() {
	ctx, cancel := context.WithTimeout(context.Background(), s.feed)
	defer cancel()
	go func() {
		select {
		case <-s.quit:
			cancel()
		case <-ctx.Done():
		}
	}()
	err := s.p.works(ctx)
	select {
	case <-s.quit:
		return
	default:
	}
	switch {
	case err == nil:
		s.hung = false
		s.notify(daemon.SdNotifyWatchdog)
	case !s.hung:
		s.hung = true
		s.p.put(serverlog.Error, fmt.Sprintf("The watchdog is not fed: %v", err))
	}
}

// works returns an error if the loops or the ports do not do their work. The
// answer takes until ctx ends at most. Not after the relay has stopped.
func (p *process) works(ctx context.Context) error {
	for _, d := range p.doors {
		if err := d.stuck(); err != nil {
			return err
		}
	}
	return p.relay.Pulse(ctx)
}

// users returns how many people are connected.
func (p *process) users() int { return p.login.InLogin() + p.relay.Members() }

// lookForRest ends a server with passed sockets once nobody needs it: it is
// started again on demand (configuration.md §5.2).
func (s *service) lookForRest() {
	if !s.p.sockets.passed {
		return
	}
	if s.p.users() > 0 || len(s.p.relay.All()) > 0 {
		s.used, s.empty = true, 0
		return
	}
	for _, d := range s.p.doors {
		s.used = s.used || d.accepted.Load() > 0
	}
	if !s.used {
		return
	}
	if s.empty++; s.empty == restLooks {
		s.p.put(serverlog.Info, "Autostopping due to lack of sessions.")
		close(s.rests)
	}
}

// notify sends a message to the service manager, if there is one. It returns
// within notifyTimeout.
func (s *service) notify(state string) {
	err := sendNotification(os.Getenv("NOTIFY_SOCKET"), state)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && !s.failed {
		s.failed = true
		s.p.put(serverlog.Warn, fmt.Sprintf("Cannot tell the service manager: %v; correct NOTIFY_SOCKET or unset it", err))
	}
}

// sendNotification sends a message to a datagram socket, none = "", as
// daemon.SdNotify does, which waits for ever if nobody reads (sd_notify(3)).
func sendNotification(socket, state string) error {
	if socket == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetWriteDeadline(time.Now().Add(notifyTimeout)); err != nil {
		return err
	}
	_, err = conn.Write([]byte(state))
	return err
}
