// Requests to the server. All addresses are relative, so that the page also
// works below a path of a proxy.

// requestTimeout bounds one request, in ms.
const requestTimeout = 20000;

// ApiError is an answer that is no success; status 0 means no answer.
export class ApiError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

// watchers are told after every request whether the server answered.
const watchers = new Set();

// onLink calls f(connected, message) after every request.
export function onLink(f) {
  watchers.add(f);
}

function tellLink(connected, message = '') {
  for (const f of watchers) f(connected, message);
}

// send makes one request and returns the response. The header X-Requested-With
// keeps the browser from opening its password box in the middle of the page,
// and cannot be sent by the pages of other sites.
async function send(method, address, body, signal) {
  const limit = AbortSignal.timeout(requestTimeout);
  const headers = { 'X-Requested-With': 'XMLHttpRequest' };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  let response;
  try {
    response = await fetch(address, {
      method, headers, body: body === undefined ? undefined : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
      cache: 'no-store', credentials: 'same-origin', redirect: 'error', referrerPolicy: 'no-referrer',
    });
  } catch (err) {
    if (signal?.aborted) throw new DOMException('left the view', 'AbortError');
    tellLink(false, 'No connection');
    throw new ApiError('The server does not answer.', 0);
  }
  tellLink(response.status !== 401, response.status === 401 ? 'Not logged in' : '');
  return response;
}

// api calls the admin API. path is an array of parts; query an object whose
// undefined values are left out; body an object. Returns the parsed answer,
// null if it is empty.
export async function api(method, path, { query, body, signal } = {}) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== '') parameters.set(name, value);
  }
  const search = parameters.size ? `?${parameters}` : '';
  const response = await send(method, `api/${path.map(encodeURIComponent).join('/')}${search}`, body, signal);
  const text = await response.text();
  let answer = null;
  try {
    if (text) answer = JSON.parse(text);
  } catch {
    if (response.ok) throw new ApiError('The server sent something that is no JSON.', response.status);
  }
  if (response.ok) return answer;
  const reason = answer?.message || answer?.error || answer?.msg;
  throw new ApiError(explain(response.status, reason), response.status);
}

function explain(status, reason) {
  switch (status) {
    case 401: return reason || 'The server wants other credentials. Reload the page to log in again.';
    case 403: return reason === 'This section is locked' ? 'This section is locked. Unlock it under Settings.' : reason || 'Not allowed.';
    case 404: return reason && reason !== 'Not found' ? reason : 'It is no longer there.';
    default: return reason ? `${reason} (${status})` : `The server answered with an error (${status}).`;
  }
}

// text fetches a plain text such as the metrics; null where there is none.
export async function text(address, signal) {
  const response = await send('GET', address, undefined, signal);
  if (response.status === 404) return null;
  return { status: response.status, text: await response.text() };
}

// post asks for something beside the API that has no answer.
export async function post(address) {
  const response = await send('POST', address);
  if (!response.ok) throw new ApiError(explain(response.status), response.status);
}
