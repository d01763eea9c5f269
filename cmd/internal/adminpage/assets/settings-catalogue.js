// What each setting means: key, label, type, default, explanation, and a check
// that returns what is wrong. own: only this server has it.

const regular = (text) => {
  if (!text.trim()) return '';
  try {
    // Perl-compatible on the server; the browser's kind is close enough to
    // find a missing bracket. What only Perl has is left to the server.
    new RegExp(text.replace(/\(\?[a-z-]+\)|\(\?>|[*+?}]\+/g, ''), 's');
    return '';
  } catch (err) {
    return `Perhaps not a regular expression: ${err.message.replace(/^Invalid regular expression: /, '')}.`;
  }
};
const address = (text) => (text === '' || (URL.canParse(text) && /^https?:/.test(text)) ? '' : 'Write an address that begins with https:// or http://.');
const between = (low, high) => (n) => (n >= low && n <= high ? '' : `Write a number from ${low} to ${high}.`);
const atLeast = (low) => (n) => (n >= low ? '' : `Write a number of at least ${low}.`);

const bool = (key, label, standard, text) => ({ key, label, type: 'bool', default: standard, text });
const time = (key, label, standard, text, rest) => ({ key, label, type: 'time', default: standard, text, ...rest });
const bytes = (key, label, standard, text) => ({ key, label, type: 'size', default: standard, text });
const int = (key, label, standard, text, check) => ({ key, label, type: 'int', default: standard, text, check });
const text = (key, label, explanation, rest) => ({ key, label, type: 'text', default: '', text: explanation, ...rest });

export const groups = [
  {
    title: 'Name and texts',
    settings: [
      text('serverTitle', 'Title', 'Shown in the login window, and as the name of this page.'),
      text('welcomeMessage', 'Welcome message', 'A chat message to everybody who enters a session.', { long: true }),
      text('ruleText', 'Rules', 'Shown before the login.', { long: true }),
      text('loginInfoUrl', 'Page about accounts', 'A link shown with the login, where people can register.', { check: address, unit: 'address' }),
    ],
  },
  {
    title: 'Sessions',
    settings: [
      int('sessionCountLimit', 'Sessions at most', 25, 'Hosting is refused when there are as many. Sessions from files and templates are not counted.', atLeast(0)),
      int('sessionUserLimit', 'Users in a session at most', 254, 'The most that operators may choose; moderators may exceed it.', between(2, 254)),
      bytes('sessionSizeLimit', 'Size of a session at most', 103809024, 'What is kept of a session; 0 = unlimited. Also changes running sessions.'),
      bytes('autoResetThreshold', 'Autoreset from', 15728640, 'From this size on, a client is asked to make the session smaller; 0 = off. For new sessions.'),
      bytes('minimumAutoResetThreshold', 'Autoreset not below', 0, 'The lowest size that operators may choose. Also raises running sessions.'),
      bool('persistence', 'Persistent sessions for everybody', false, 'Everybody may make a session stay when all have left. Otherwise only moderators and accounts with PERSIST.'),
      bool('archive', 'Archive ended sessions', false, 'Keep the files of a session that has ended. Needs sessions in files.'),
      time('idleTimeLimit', 'Idle sessions end after', 0, 'Sessions without activity are terminated, also with users in them; 0 = never.'),
      bool('allowIdleOverride', 'Exemptions from the idle limit', true, 'Moderators may exempt sessions. Switching it off ends all exemptions.'),
      time('emptySessionLingerTime', 'Empty sessions stay for', 0, 'How long a session that is not persistent waits for users to come back.'),
      bool('invites', 'Invites', true, 'Operators of new sessions may make invite codes.'),
      bool('forceNsfm', 'Mark all sessions as not for minors', false, 'Also marks running sessions; nobody can remove the mark.'),
      text('unlistedHostPolicy', 'Unlisted sessions', 'ALL: every new session is unlisted. WEB: those hosted from a browser.', { unit: 'ALL, WEB or empty' }),
    ],
  },
  {
    title: 'Connections',
    settings: [
      time('clientTimeout', 'Silence at most', 60, 'A connection is dropped after this long without anything from it; 0 = never.'),
      time('sessionLessClientLingerTime', 'Stay without a session', 0, 'How long a connection may stay without being in a session; 0 = for ever.'),
      text('minimumProtocolVersion', 'Oldest version that may host', 'Such as dp:4.24.0; moderators are exempt. From dp:4.24.0 on, clients must look a session up before they join.', { unit: 'dp:4.major.minor', check: (v) => (v === '' || /^dp:\d+\.\d+\.\d+$/.test(v) ? '' : 'Write a version such as dp:4.24.0.') }),
      bool('mandatoryLookup', 'Direct links only', false, 'Sessions are not listed here; whoever joins needs a link. Old clients are refused.'),
      bool('requireMatchingHost', 'Only under the right name', false, 'Clients must use the host name of --local-host; older clients are refused.'),
      { ...text('webSocketOrigins', 'Web pages that may connect', 'Origins of the pages whose browsers are let in, separated by blanks; empty = all.', { unit: 'https://host …' }), own: true },
      bool('preferWebSockets', 'Prefer WebSockets', false, 'Tell clients and listing servers to use WebSocket where they can.'),
    ],
  },
  {
    title: 'Who may do what',
    settings: [
      bool('allowGuests', 'Guests', true, 'People without an account may log in.'),
      bool('allowGuestHosts', 'Everybody may host', true, 'Otherwise only accounts with HOST.'),
      bool('allowGuestWeb', 'Everybody may use a browser', true, 'Otherwise only accounts with WEB.'),
      bool('allowGuestWebHosts', 'Everybody may host from a browser', true, 'Otherwise only accounts with WEBHOST.'),
      bool('allowGuestWebSession', 'Everybody may admit browsers', true, 'Operators may allow browsers in their session. Otherwise only accounts with WEBSESSION.'),
      bool('passwordDependentWebSession', 'Browsers only with a password', false, 'A session is open to browsers while it has a password.'),
      bool('enableGhosts', 'Ghosts', false, 'Moderators with GHOST may be in sessions without being seen.'),
      bool('customAvatars', 'Own pictures', true, 'Clients may send a picture of their user.'),
      text('forbiddenNameRegex', 'Forbidden names', 'User names and titles in which this is found are refused; upper and lower case are the same.', { check: regular, unit: 'regular expression' }),
      text('filterNameRegex', 'Ignored in names', 'What matches is removed from a name before it is tested.', { check: regular, unit: 'regular expression' }),
    ],
  },
  {
    title: 'External accounts',
    settings: [
      bool('extauth', 'External accounts', false, 'People may log in with accounts of the server given with --extauth.'),
      text('extauthkey', 'Public key', 'With which that server signs, 32 bytes.', { unit: 'base64', check: (v) => (v === '' || /^[A-Za-z0-9+/]{43}=?$/.test(v) ? '' : 'Write 44 base64 characters.') }),
      text('extauthgroup', 'Group', 'Which group people must be a member of; empty = none.'),
      bool('extauthfallback', 'Guests when it does not answer', true, 'Otherwise nobody without an account of this server gets in then.'),
      bool('extauthmod', 'Its moderators count', true, 'Honour MOD.'),
      bool('extauthhost', 'Its hosts count', true, 'Honour HOST.'),
      bool('extauthpersist', 'Its right to persist counts', false, 'Honour PERSIST.'),
      bool('extauthbanexempt', 'Its exemptions from bans count', false, 'Honour BANEXEMPT.'),
      bool('extauthghosts', 'Its ghosts count', false, 'Honour GHOST, if ghosts are on.'),
      bool('extauthweb', 'Its right to browsers counts', false, 'Honour WEB.'),
      bool('extauthwebhost', 'Its right to host from browsers counts', false, 'Honour WEBHOST.'),
      bool('extauthwebsession', 'Its right to admit browsers counts', false, 'Honour WEBSESSION.'),
      bool('extAuthAvatars', 'Its pictures', true, 'Use the pictures that it has of its users.'),
    ],
  },
  {
    title: 'Reports, external bans, log',
    settings: [
      bool('abusereport', 'Abuse reports', false, 'Members may report to the receiver given with --report-url.'),
      text('reporttoken', 'Token for reports', 'Sent with every report.', { secret: true }),
      text('extBansUrl', 'Address of external bans', 'A ban list that several servers share; empty = none.', { check: address, unit: 'address' }),
      time('extBansCheckInterval', 'Fetch it every', 900, 'At least one minute.', { check: (n) => (n >= 60 ? '' : 'At least 60s.') }),
      int('logpurgedays', 'Days of log kept', 0, 'Older entries are deleted from the database once a day; 0 = never.'),
    ],
  },
  {
    title: 'Rate limits',
    settings: ['Guest', 'Registered', 'Trusted', 'Operator'].flatMap((tier) => [
      { ...int(`rateLimit${tier}Messages`, `${tier}: messages per second`, 0, 'Who sends more is read more slowly; 0 = unlimited.', atLeast(0)), own: true },
      { ...bytes(`rateLimit${tier}Bytes`, `${tier}: bytes per second`, 0, 'Who sends more is read more slowly; 0 = unlimited.'), own: true },
    ]).concat({ ...time('rateLimitPatience', 'Patience', 120, 'Who is held back for so long without a pause is disconnected; 0 = never.'), own: true }),
  },
  {
    title: 'Redirects',
    settings: [
      { ...text('redirectHosts', 'Send hosts to', 'Whoever wants to host is sent to this server.', { unit: 'drawpile://host' }), own: true },
      { ...text('redirectSessions', 'Send members to', 'Pairs of session and address, separated by blanks.', { unit: 'SESSION=drawpile://host …' }), own: true },
      { ...bool('acceptRedirects', 'Take in redirected clients', false, 'Clients that another server has sent are welcome.'), own: true },
    ],
  },
];

// unavailable says why a key is missing from the server's answer.
export const unavailable = {
  requireMatchingHost: 'Needs --local-host.',
  abusereport: 'Needs --report-url.',
  extauth: 'Needs --extauth.',
  allowGuestWeb: 'Needs --websocket-port.',
  extauthweb: 'Needs --websocket-port.',
  allowGuestWebSession: 'Needs --websocket-port.',
  extauthwebsession: 'Needs --websocket-port.',
  passwordDependentWebSession: 'Needs --websocket-port.',
  preferWebSockets: 'Needs --websocket-port.',
};
