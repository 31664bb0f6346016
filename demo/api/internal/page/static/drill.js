// The theft drill: a thief with a copy of the refresh token, and the owner, who goes on using the session.

import { why } from '/reasons.js';

const order = ['copy', 'refresh', 'use', 'replay', 'end'];

export class Drill {
  #stage = 0;
  #copy = '';
  #busy = false;

  // policy is what becomes of a stolen session; say shows a result; told puts a request into the log.
  constructor(session, policy, list, say, told) {
    this.session = session;
    this.reported = policy === 'report'; // and no more than that
    this.list = list;
    this.say = say;
    this.told = told;
    this.items = order.map((stage) => list.querySelector(`[data-stage="${stage}"]`));
    this.items.forEach((item, i) => {
      item.querySelector('button').addEventListener('click', () => this.#run(i));
      const wait = document.createElement('p');
      wait.className = 'wait';
      item.append(wait);
    });
    list.hidden = false;
    setInterval(() => this.show(), 250);
    this.show();
  }

  // restart goes back to the first stage, with the session that there is now.
  restart() {
    this.#stage = 0;
    this.#copy = '';
    this.say('');
    this.show();
  }

  get #left() { return Math.max(0, Math.ceil((this.session.freshUntil - Date.now()) / 1000)); }

  show() {
    const stage = order[this.#stage];
    const left = this.#left;
    this.items.forEach((item, i) => {
      const now = i === this.#stage && (this.session.exists || stage === 'end');
      const waits = now && stage === 'refresh' && left > 0;
      const button = item.querySelector('button');
      item.classList.toggle('done', i < this.#stage);
      button.disabled = !now || waits || this.#busy;
      button.classList.toggle('primary', now);
      let note = '';
      if (i === 0 && i === this.#stage && !this.session.exists) note = 'Log in first.';
      if (waits) note = `Your token is brand-new: a refresh would keep it. It is replaced from ${left} s on.`;
      if (now && stage === 'replay' && left > 0) note = `Honoured for ${left} s more. Wait, or see what happens now.`;
      if (now && stage === 'replay' && left === 0) note = 'Nobody honours the old token any more.';
      const wait = item.querySelector('.wait');
      if (wait.textContent !== note) wait.textContent = note;
    });
  }

  async #run(i) {
    this.#busy = true;
    this.show();
    const button = this.items[i].querySelector('button');
    if (await this[`_${order[i]}`]()) this.#stage = i + 1;
    this.#busy = false;
    this.show();
    // A disabled button loses the keyboard's focus: pass it on.
    const next = this.items[Math.min(this.#stage, order.length - 1)].querySelector('button');
    if (document.activeElement === document.body || document.activeElement === button) (next.disabled ? this.list : next).focus();
  }

  async #order(json) { return this.session.send('POST', `${this.session.refreshPath}/demo-replay`, json, json.action === 'copy'); }

  async _copy() {
    const answer = await this.#order({ action: 'copy' });
    if (answer.ok) {
      this.#copy = answer.body.copy;
      this.say('The thief holds what your browser holds: the same refresh token. Nobody can tell the two apart yet.', 'good');
    } else {
      this.say('There was no refresh token to copy. Log in first.', 'bad');
    }
    return answer.ok;
  }

  async _refresh() {
    const answer = await this.session.refresh();
    if (answer.ok && answer.renewed) {
      this.say('Your browser has a new refresh token. The copy is one generation behind.', 'good');
      return true;
    }
    this.say(answer.ok ? 'Your token was still brand-new, so it was kept. Wait a moment and refresh again.'
      : 'The refresh was refused.', answer.ok ? '' : 'bad');
    return false;
  }

  async _use() {
    const answer = await this.session.call('GET', '/api/me');
    if (answer.ok) this.say('You have used the new token. The old one is given up, but for the time that requests need to cross.', 'good');
    return answer.ok;
  }

  async _replay() {
    const answer = await this.#order({ action: 'replay', copy: this.#copy });
    const got = answer.ok ? answer.body : { status: answer.status, error: answer.code };
    this.told({
      ...answer, thief: true, path: this.session.refreshPath, status: got.status, ok: got.status === 200,
      code: got.error ?? '', reason: got.reason ?? '',
    });
    if (got.error === 'token_theft') {
      this.say('Caught: a token that you had replaced was presented again, so it is in two hands. '
        + (this.reported ? 'It was reported; this demo is configured to let the session live on.' : 'The session has ended.'), 'good');
      return true;
    }
    if (got.status === 200) {
      this.say('Honoured: within the grace an old token may be a request that crossed. The thief is in, until one of you is '
        + 'caught with an old token. Wait for the grace to pass and let the copy be presented again.', 'bad');
      return false;
    }
    this.say('The copy was refused, but not as a theft: the session had ended before, or the server was restarted.'
      + (got.reason ? ` ${why(got.reason)}` : ''), 'bad');
    return false;
  }

  async _end() {
    const answer = await this.session.refresh();
    const over = answer.code === 'unauthorised';
    const expected = over || (this.reported && answer.ok);
    let text = `Unexpected: ${answer.status} ${answer.code}`;
    if (over) text = 'Your session is over, too, and your cookies are cleared. Log in again: the thief has nothing left.';
    else if (expected) text = 'Your session goes on. The server\u2019s log tells of the theft.';
    this.say(text, expected ? 'good' : 'bad');
    return expected;
  }
}
