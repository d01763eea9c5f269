package serverlog

import (
	"strings"
	"sync"
	"testing"
	"time"
)

// Whoever still logs while the log is closed neither races nor panics.
func TestPutWhileClosing(t *testing.T) {
	var out strings.Builder
	l := New(&out, FormatText, nil)
	var wg sync.WaitGroup
	begun, quit := make(chan struct{}, 4), make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				l.Put(Entry{Message: "m"})
				l.Line("line")
				if i == 10 {
					begun <- struct{}{}
				}
				select {
				case <-quit:
					return
				default:
				}
			}
		})
	}
	for range 4 {
		<-begun
	}
	l.Close(10 * time.Second)
	if n := strings.Count(out.String(), "\n"); n < 4*2*10 {
		t.Errorf("%d lines", n)
	}
	close(quit)
	wg.Wait()
}
