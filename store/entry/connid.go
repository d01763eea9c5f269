package entry

import (
	"sync/atomic"
	"time"
)

// connIDs is the last connection id. It starts at the time, so that an id from
// before a restart names nobody.
var connIDs atomic.Uint64

func init() { connIDs.Store(uint64(time.Now().UnixMicro())) }

// NextConnID returns an id for a connection that no other one of this process
// has. Any goroutine.
func NextConnID() uint64 { return connIDs.Add(1) }
