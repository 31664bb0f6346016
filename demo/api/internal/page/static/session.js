// The client's side of a session: it sends the anti-csrf header that the server told it, and refreshes once when it is told to.

const memory = window.localStorage;

export class Session {
  #refreshing = null;

  // described is the answer of GET /api/demo; report is told of every request.
  constructor(described, report) {
    this.refreshPath = described.refreshPath;
    this.grace = described.graceMs;
    this.report = report;
  }

  // exists says whether the server has given this browser a session and not taken it away.
  get exists() { return memory.getItem('id') !== null; }

  // id stands for the generation of refresh token; it is no secret.
  get id() { return memory.getItem('id'); }

  // freshUntil is when the refresh token is no longer brand-new, so that a refresh replaces it.
  get freshUntil() { return Number(memory.getItem('freshUntil')); }

  #fresh() { memory.setItem('freshUntil', String(Date.now() + this.grace + 250)); }

  // call sends a request. When the access token has expired it refreshes, once, and sends it again.
  async call(method, path, { json, headers = {}, retry = true } = {}) {
    const answer = await this.#send(method, path, json, headers);
    const lostToken = answer.code === 'anti_csrf' && memory.getItem('antiCSRF') === null;
    if (!retry || (answer.code !== 'try_refresh' && !lostToken)) return answer;
    const refreshed = await this.refresh();
    return refreshed.ok ? this.call(method, path, { json, headers, retry: false }) : refreshed;
  }

  // refresh gets a new pair of tokens; calls at the same moment share one request.
  refresh() {
    this.#refreshing ??= this.#send('POST', this.refreshPath).finally(() => { this.#refreshing = null; });
    return this.#refreshing;
  }

  // send makes one request. report: false leaves telling of it to the caller.
  async send(method, path, json, report = true) { return this.#send(method, path, json, {}, report); }

  async #send(method, path, json, headers = {}, report = true) {
    const init = { method, headers: { ...headers }, credentials: 'same-origin', cache: 'no-store' };
    if (json !== undefined) {
      init.headers['content-type'] = 'application/json';
      init.body = JSON.stringify(json);
    }
    const token = memory.getItem('antiCSRF');
    if (token !== null && path !== this.refreshPath) init.headers['anti-csrf'] = token;

    const answer = { method, path, status: 0, ok: false, code: 'unreachable', reason: '', body: null, text: '', etag: null };
    try {
      const response = await fetch(path, init);
      answer.status = response.status;
      answer.ok = response.ok;
      answer.etag = response.headers.get('etag');
      answer.text = await response.text();
      answer.body = parse(answer.text);
      answer.code = answer.body?.error ?? '';
      answer.reason = answer.body?.reason ?? '';
      Object.assign(answer, this.#remember(answer, response.headers));
    } catch {
      // The server is gone: the answer says so already.
    }
    if (report) this.report(answer);
    return answer;
  }

  // remember notes what the answer's headers say of the session, and returns what that means.
  #remember(answer, headers) {
    const before = this.id;
    const csrf = headers.get('anti-csrf');
    if (csrf !== null) memory.setItem('antiCSRF', csrf);

    const told = headers.get('id-refresh-token');
    if (told === 'remove') {
      const timeIsUp = before !== null && answer.reason === '' && Date.now() >= Number(memory.getItem('expires')) - 1000;
      for (const key of ['id', 'expires', 'antiCSRF', 'freshUntil', 'unconfirmed']) memory.removeItem(key);
      return { ended: before !== null, reason: timeIsUp ? 'expired' : answer.reason };
    }
    const refreshed = answer.ok && (answer.path === this.refreshPath || answer.path === '/api/reauthenticate');
    if (told !== null) {
      const [id, expires] = told.split(';');
      memory.setItem('expires', expires);
      const renewed = id !== before;
      const confirmed = !renewed && memory.getItem('unconfirmed') !== null;
      memory.setItem('id', id);
      if (renewed || confirmed) this.#fresh();
      if (refreshed && renewed) memory.setItem('unconfirmed', '1');
      else memory.removeItem('unconfirmed');
      return { renewed };
    }
    if (answer.ok && memory.getItem('unconfirmed') !== null && answer.path.startsWith('/api/') && answer.path !== '/api/demo'
      && !answer.path.startsWith(this.refreshPath)) {
      memory.removeItem('unconfirmed');
      this.#fresh(); // its confirmation is what the grace counts from
      return { confirmed: true };
    }
    return {};
  }
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
