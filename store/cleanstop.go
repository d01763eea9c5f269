package store

import (
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

/* Clean stop
 *
 * Clients that reconnect ask to skip what they have. After a restart that is
 * right only if the history is exactly the one they saw, so a stop in order
 * leaves a comment as the very last line of the journal, which other readers
 * skip:
 *
 *	# clean 1 STAMP FIRST SIZE COUNT CRC
 *
 * STAMP and FIRST are the history's StartStamp and FirstIndex, SIZE and COUNT
 * the bytes and messages of the recording, CRC the CRC-32C of the session id
 * and everything between "#" and CRC, in 8 hexadecimal digits.
 *
 * 1. Close  syncs the recording, then writes the line and syncs the journal.
 * 2. Load   honours the line if it is the last one and recording and CRC agree,
 *           then writes "# open" and syncs that before the session is live. So
 *           a power cut that takes everything newer finds no line to honour.
 */

const (
	cleanWord    = " clean "
	cleanVersion = 1
	openComment  = "# open"
)

// cleanStop is the content of the comment.
type cleanStop struct {
	stamp, first, size, count int64
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// cleanStopLine returns the line for a session id.
func cleanStopLine(c cleanStop, id string) string {
	text := fmt.Sprintf("%s%d %d %d %d %d ", cleanWord, cleanVersion, c.stamp, c.first, c.size, c.count)
	return fmt.Sprintf("#%s%08x", text, cleanSum(text, id))
}

func cleanSum(text, id string) uint32 {
	return crc32.Checksum([]byte(id+text), castagnoli)
}

// isCleanStop reports whether a comment, without its "#", is of this kind.
func isCleanStop(comment string) bool { return strings.HasPrefix(comment, cleanWord) }

// parseCleanStop reads a comment without its "#". ok is false if anything in
// it is not as it was written.
func parseCleanStop(comment, id string) (c cleanStop, ok bool) {
	f := strings.Split(comment, " ")
	if len(f) != 8 || f[2] != strconv.Itoa(cleanVersion) {
		return cleanStop{}, false
	}
	for i, to := range [...]*int64{&c.stamp, &c.first, &c.size, &c.count} {
		n, err := strconv.ParseInt(f[3+i], 10, 64)
		if err != nil || n < 0 {
			return cleanStop{}, false
		}
		*to = n
	}
	return c, "#"+comment == cleanStopLine(c, id) && c.stamp > 0
}
