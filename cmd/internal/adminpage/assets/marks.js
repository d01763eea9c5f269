// The states of sessions and users that are worth a badge, as [text, tone].

// marks returns the states of a session worth a badge.
export function marks(s) {
  const list = [];
  if (!s.id) list.push(['template', '']);
  if (s.closed) list.push(['closed', 'warn']);
  if (s.hasPassword) list.push(['password', '']);
  if (s.authOnly) list.push(['accounts only', '']);
  if (s.nsfm) list.push(['not for minors', 'warn']);
  if (s.persistent) list.push(['persistent', 'good']);
  if (s.unlisted) list.push(['unlisted', '']);
  if (s.idleOverride) list.push(['never idle', '']);
  if (s.allowWeb) list.push(['browsers', '']);
  return list;
}

// userMarks returns the states of a user worth a badge.
export function userMarks(u) {
  const list = [];
  if (u.mod) list.push(['moderator', 'good']);
  else if (u.op) list.push(['operator', 'good']);
  if (u.trusted) list.push(['trusted', '']);
  if (u.auth) list.push(['account', '']);
  if (u.muted) list.push(['muted', 'warn']);
  if (u.holdLocked) list.push(['held', 'warn']);
  if (u.browser) list.push(['browser', '']);
  if (u.tls) list.push(['TLS', '']);
  if (u.oldv) list.push(['old version', 'warn']);
  if (u.state && u.state !== 'session') list.push([u.state.replaceAll('_', ' '), 'warn']);
  for (const flag of u.resetFlags ?? []) list.push([`reset: ${flag}`, '']);
  return list;
}
