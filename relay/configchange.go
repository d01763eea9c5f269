package relay

import (
	"drawrelay/store"
	"drawrelay/store/serverlog"
	"drawrelay/store/settings"
)

// settingsChanged brings the session in line with new server settings and
// announces what members see of them, once (session.md §27). All other
// settings are read when they are used.
func (s *session) settingsChanged(old, now *settings.Settings) {
	if s.state == stateShutdown || s.stopping {
		return
	}
	if s.frozen {
		s.whenReady(func() { s.settingsChanged(old, now) })
		return
	}
	announce := old.IdleTimeLimit != now.IdleTimeLimit ||
		now.WebSockets && old.PreferWebSockets != now.PreferWebSockets
	if old.ForceNSFM != now.ForceNSFM {
		announce = true
		if now.ForceNSFM {
			s.setFlag(store.NSFM, true)
			s.event(serverlog.Info, serverlog.Status, nil, "Forced NSFM after config change")
		}
	}
	if old.AllowIdleOverride != now.AllowIdleOverride {
		announce = true
		if !now.AllowIdleOverride {
			s.setFlag(store.IdleOverride, false)
		}
	}
	if old.MinimumAutoResetThreshold != now.MinimumAutoResetThreshold {
		announce = true
		s.raiseThreshold(now)
	}
	if old.SessionSizeLimit != now.SessionSizeLimit && s.hist.SizeOverride() == 0 {
		announce = true
	}
	if announce {
		s.announceConf()
	}
}
