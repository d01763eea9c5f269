package relay

// job is a command that may take long, or that must not overtake one that
// does.
type job struct {
	st  *seat // who is held until it is done, nil for the admin API
	run func(done func())
}

// slow runs a command after all earlier slow ones. Until it has called done,
// the messages of st wait, so that nothing overtakes the command: neither what
// its sender sent later nor another change of the same settings.
func (s *session) slow(st *seat, run func(done func())) {
	s.jobs = append(s.jobs, job{st, run})
	if st != nil {
		st.busy = true
	}
	s.runJobs()
}

func (s *session) runJobs() {
	for len(s.jobs) > 0 && !s.jobActive && !s.frozen {
		j := s.jobs[0]
		s.jobs[0] = job{}
		s.jobs = s.jobs[1:]
		s.jobActive = true
		returned := false
		j.run(func() {
			s.jobActive = false
			if j.st != nil {
				j.st.busy = false
				s.release(j.st)
			}
			if returned {
				s.runJobs()
			}
		})
		returned = true
	}
}
