package main

import (
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// tidyEvery is how often memory is looked at.
	tidyEvery = 5 * time.Second
	// tidyWorth is how much memory giving back must promise, bytes: below it a
	// collection costs more than it is worth, even on a small board.
	tidyWorth = 2 << 20
)

// tidyMemory gives memory back to the system that bursts of logins have left,
// until quit. Without it the garbage of 2,000 logins stays for minutes.
func tidyMemory(quit <-chan struct{}) {
	samples := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/gc/heap/live:bytes"},
		{Name: "/gc/heap/allocs:bytes"},
	}
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	var allocated uint64 // at the last look
	for {
		select {
		case <-quit:
			return
		case <-tick.C:
		}
		metrics.Read(samples)
		objects, free, unused := samples[0].Value.Uint64(), samples[1].Value.Uint64(), samples[2].Value.Uint64()
		live, allocs := samples[3].Value.Uint64(), samples[4].Value.Uint64()
		quiet := allocs-allocated < tidyWorth
		allocated = allocs
		if quiet && objects+free+unused > live+tidyWorth {
			debug.FreeOSMemory()
			metrics.Read(samples)
			allocated = samples[4].Value.Uint64()
		}
	}
}
