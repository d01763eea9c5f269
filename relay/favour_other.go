//go:build !linux

package relay

// FavourLoops does nothing: only Linux gives threads their own priority.
func (s *Server) FavourLoops() error { return nil }
