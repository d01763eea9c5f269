package admin

import (
	"sync"
	"time"

	"drawrelay/store/diskspace"
)

const (
	// diskAge is how long a look at the disk is good for.
	diskAge = 10 * time.Second
	// diskWait is how long somebody waits for it: a disk that hangs must not
	// hang the metrics.
	diskWait = 200 * time.Millisecond
)

// disk looks at the disk of a folder, never twice at a time.
type disk struct {
	folder string // empty: there is none
	space  func(folder string) (diskspace.Space, error)

	mu      sync.Mutex
	looking bool
	last    diskspace.Space
	at      time.Time // of last, zero = never
}

// look returns the newest figures. known is false if there are none.
func (d *disk) look() (s diskspace.Space, known bool) {
	if d.folder == "" {
		return diskspace.Space{}, false
	}
	d.mu.Lock()
	if time.Since(d.at) > diskAge && !d.looking {
		d.looking = true
		looked := make(chan struct{})
		go func() {
			s, err := d.space(d.folder)
			d.mu.Lock()
			if d.looking = false; err == nil {
				d.last, d.at = s, time.Now()
			}
			d.mu.Unlock()
			close(looked)
		}()
		d.mu.Unlock()
		select {
		case <-looked:
		case <-time.After(diskWait):
		}
		d.mu.Lock()
	}
	defer d.mu.Unlock()
	return d.last, !d.at.IsZero()
}
