package store

// IdleRecorder is a recorder that copies when round is called only. share
// takes the place of the file system's sharing of blocks; nil: it has none.
func IdleRecorder(o RecorderOptions, share func(dst, src File, to, from, n int64) error) (r *Recorder, round func()) {
	o.clone = share
	r = newRecorder(o)
	return r, r.round
}
