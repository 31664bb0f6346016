// The user's sessions, and how earlier ones ended. Labels and user agents come from anybody: they are shown as text, never as
// markup.

import { shortAgent } from '/agent.js';
import { why } from '/reasons.js';

const pageSize = 5;
const space = '\u00a0'; // where a line must not break
const dot = `${space}· `;

function element(tag, className, ...children) {
  const e = document.createElement(tag);
  if (className !== '') e.className = className;
  e.append(...children);
  return e;
}

function button(text, label, click) {
  const b = element('button', '', text);
  b.type = 'button';
  b.setAttribute('aria-label', label);
  b.addEventListener('click', click);
  return b;
}

// time shows a moment: of today by the clock alone, and to the second.
function time(text) {
  const at = new Date(text);
  const today = at.toDateString() === new Date().toDateString();
  const shown = today ? at.toLocaleTimeString([], { hour12: false })
    : at.toLocaleString([], { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', hour12: false });
  const e = element('time', '', shown);
  e.dateTime = text;
  return e;
}

// agent shows a user agent in short; the whole of it is a tooltip.
function agent(text) {
  const e = element('span', '', shortAgent(text));
  if (text !== '') e.title = text;
  return e;
}

// joined puts a dot between those parts of a line that there are.
function joined(...parts) {
  return parts.filter((part) => part !== '').flatMap((part, i) => (i === 0 ? [part] : [dot, part]));
}

function device({ userAgent, address }) { return joined(agent(userAgent), address); }

// named is a device's own line: its label, or else what it is.
function named({ label, userAgent }) { return element('strong', '', label.trim() === '' ? agent(userAgent) : label); }

// described is the line below, with what is left to say.
function described(entry) {
  const line = entry.label.trim() === '' ? joined(entry.address) : device(entry);
  return line.length === 0 ? [] : [element('p', 'detail', ...line)];
}

function nameOf({ label, userAgent }) { return label.trim() || shortAgent(userAgent); }

export class Devices {
  #next = { sessions: '', endings: '' };

  // get finds an element of the page by its id, say shows a result.
  constructor(session, get, say) {
    this.session = session;
    this.get = get;
    this.say = say;
    get('devices-reload').addEventListener('click', () => { say(''); this.load(); });
    get('devices-more').addEventListener('click', () => this.#more('sessions', 'devices'));
    get('endings-more').addEventListener('click', () => this.#more('endings', 'endings'));
    get('logout-others').addEventListener('click', () => this.#endOthers());
  }

  // load shows both lists from their beginning.
  async load() { return await this.#show('sessions', 'devices', '') && this.#show('endings', 'endings', ''); }

  // clear forgets them: whoever looks at the page is not logged in.
  clear() {
    for (const list of ['devices', 'endings']) {
      this.get(list).replaceChildren();
      this.get(`${list}-buttons`).hidden = true;
      this.#hint(list, 'Log in first.');
    }
  }

  #hint(list, text) {
    this.get(`${list}-hint`).textContent = text;
    this.get(`${list}-hint`).hidden = text === '';
  }

  // show appends a page to a list, or begins it anew.
  async #show(name, list, before) {
    const query = new URLSearchParams({ limit: pageSize });
    if (before !== '') query.set('before', before);
    const answer = await this.session.call('GET', `/api/${name}?${query}`);
    if (!answer.ok || !this.session.exists) return false; // or logged out meanwhile
    const items = answer.body[name].map((entry) => (name === 'sessions' ? this.#session(entry) : this.#ending(entry)));
    if (before === '') this.get(list).replaceChildren(...items);
    else this.get(list).append(...items);
    this.#next[name] = answer.body.next ?? '';
    this.get(`${list}-more`).hidden = this.#next[name] === '';
    this.get(`${list}-buttons`).hidden = name === 'endings' && this.#next[name] === '';
    this.#hint(list, this.get(list).children.length > 0 ? '' : 'None yet, or they are not kept.');
    return true;
  }

  async #more(name, list) {
    const shown = this.get(list).children.length;
    await this.#show(name, list, this.#next[name]);
    const first = this.get(list).children[shown];
    if (first !== undefined) { // the button that had the focus may be gone
      first.tabIndex = -1;
      first.focus();
    }
  }

  #session(entry) {
    const item = element('li', '');
    const head = element('p', '', named(entry));
    if (entry.current) head.append(' ', element('span', 'tag', 'this device'));
    const rename = button('Rename', `Rename ${nameOf(entry)}`, () => {
      buttons.hidden = true;
      item.append(this.#renaming(entry, item, () => {
        buttons.hidden = false;
        rename.focus();
      }));
      item.querySelector('input').select();
    });
    const ending = entry.current ? 'Log out' : 'End';
    const end = button(ending, `${ending} ${nameOf(entry)}`, () => this.#end(entry));
    const buttons = element('div', 'buttons', rename, end);
    item.append(
      head,
      ...described(entry),
      element('p', 'detail', `logged in${space}`, time(entry.createdAt), dot, `refreshed${space}`, time(entry.refreshedAt), dot,
        `ends${space}`, time(entry.expiresAt), ' if unused'),
      buttons,
    );
    return item;
  }

  // renaming makes the form that takes the place of a session's buttons; done puts them back.
  #renaming(entry, item, done) {
    const input = element('input', '');
    input.value = entry.label;
    input.maxLength = 64;
    input.autocomplete = 'off';
    const save = element('button', 'primary', 'Save');
    const cancel = element('button', '', 'Cancel');
    cancel.type = 'button';
    const form = element('form', '',
      element('label', 'wide', 'Name of the device', input), element('div', 'buttons', save, cancel));
    const close = () => {
      form.remove();
      done();
    };
    cancel.addEventListener('click', close);
    form.addEventListener('keydown', (event) => { if (event.key === 'Escape') close(); });
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      const answer = await this.session.call('PATCH', `/api/sessions/${entry.handle}`, { json: { label: input.value } });
      this.say(answer);
      if (!answer.ok) return;
      const renamed = this.#session({ ...entry, label: input.value });
      item.replaceWith(renamed);
      renamed.querySelector('button').focus();
    });
    return form;
  }

  async #end(entry) {
    const answer = await this.session.call('DELETE', `/api/sessions/${entry.handle}`);
    this.say(answer);
    if (!entry.current) await this.load();
    this.get('title-devices').focus();
  }

  async #endOthers() {
    const answer = await this.session.call('POST', '/api/logout-others');
    this.say(answer, answer.ok ? `Sessions that this has ended: ${answer.body.ended}.` : undefined);
    if (answer.ok) await this.load();
  }

  #ending(entry) {
    const item = element('li', '',
      element('p', '', named(entry)),
      element('p', '', why(entry.reason)),
      ...described(entry),
      element('p', 'detail', `logged in${space}`, time(entry.createdAt), dot, `ended${space}`, time(entry.endedAt)));
    if (entry.theft !== undefined) item.append(...theft(entry.theft));
    return item;
  }
}

function theft({ kind, generations, millisecondsSinceRotation: since, device: owner, presenter }) {
  const what = kind === 'reuse'
    ? `The token that gave it away was ${generations === 1 ? 'one refresh' : `${generations} refreshes`} behind the newest one, `
      + `which had been in use for ${Math.round(since / 1000)} s.`
    : 'Successors of one token were handed out again and again, and none of them was used: somebody shadowed this client.';
  return [
    element('p', 'detail', what),
    element('p', 'detail', 'It came from ', ...device(presenter), '. The session itself was last refreshed from ', ...device(owner),
      '.'),
  ];
}
