import { Devices } from '/devices.js';
import { Drill } from '/drill.js';
import { Proof } from '/proof.js';
import { why } from '/reasons.js';
import { Session } from '/session.js';
import { verdict } from '/verdict.js';

const $ = (id) => document.getElementById(id);
const maxLines = 100;
const results = ['result-login', 'result-call', 'result-refresh', 'result-devices', 'result-password'];

// How an access token is verified, by WATCHWORD_REVOCATION.
const verification = {
  feed: 'The access token is verified by its signature, and by what this process knows of sessions that have ended. '
    + 'No database is asked.',
  strict: 'The access token is verified by its signature, and the database is asked whether its session lives.',
  off: 'The access token is verified by its signature alone, and so outlives its session by some minutes. No database is asked.',
};

let devices = null;

function say(id, text, kind = '') {
  $(id).textContent = text;
  $(id).className = `result ${kind}`;
}

function sayAnswer(id, answer) { say(id, verdict(answer), answer.ok ? 'good' : 'bad'); }

function element(tag, className, text) {
  const e = document.createElement(tag);
  e.className = className;
  e.textContent = text;
  return e;
}

// tell puts a request into the log.
function tell(answer) {
  const now = new Date();
  const time = element('time', '', now.toLocaleTimeString([], { hour12: false }));
  time.dateTime = now.toISOString();
  const line = element('div', 'line', '');
  line.append(time, element('span', 'path', `${answer.method} ${answer.path}`), element('span', 'status', answer.status || '–'));
  const entry = element('li', `${answer.ok ? 'good' : 'bad'}${answer.thief ? ' thief' : ''}`, '');
  entry.append(line, element('p', 'verdict', verdict(answer)));
  $('log').prepend(entry);
  while ($('log').children.length > maxLines) $('log').lastChild.remove();
  $('empty').hidden = true;
  if (answer.ended) {
    showUser(null);
    for (const id of results) say(id, '');
    $('answer').hidden = true;
    if (!answer.ok) $('ended').textContent = `Your session has ended. ${why(answer.reason)}`;
    $('ended').hidden = answer.ok;
  }
}

function showUser(user) {
  $('who').textContent = user === null ? 'Not logged in' : `Logged in as ${user}`;
  $('leave').hidden = user === null;
  for (const button of $('calls').children) button.disabled = user === null;
  $('refresh').disabled = user === null;
  for (const button of $('password').querySelectorAll('button')) button.disabled = user === null;
  for (const input of document.querySelectorAll('[data-user]')) input.defaultValue = user ?? ''; // for password managers
  if (user === null) devices?.clear();
  else {
    $('ended').hidden = true;
    devices?.load();
  }
}

async function start() {
  const response = await fetch('/api/demo');
  const described = await response.json();
  const session = new Session(described, tell);
  const { graceMs, proofMs, antiCsrf, revocation, store, login } = described;
  $('setup').textContent = `Sessions in ${store === 'mysql' ? 'MySQL' : 'memory'} · grace ${graceMs / 1000} s · anti-CSRF ${antiCsrf}`
    + ` · revocation ${revocation}`;
  $('verification').textContent = verification[revocation];
  $('proof-age').textContent = `${proofMs / 60000} minutes`;
  if (login) {
    $('login').userId.value = login.userId;
    $('login').password.value = login.password;
  }
  const drill = described.drill
    ? new Drill(session, described.theft, $('drill'), (text, kind) => say('result-drill', text, kind), tell) : null;
  $('no-drill').hidden = described.drill;
  devices = new Devices(session, $, (answer, text) => {
    if (typeof answer === 'string') say('result-devices', answer);
    else say('result-devices', text ?? verdict(answer), answer.ok ? 'good' : 'bad');
  });
  const proof = new Proof(session, $('proof'), (text, kind) => say('result-proof', text, kind));

  $('login').addEventListener('submit', async (event) => {
    event.preventDefault();
    const { userId, password, label } = event.target;
    const json = { userId: userId.value, password: password.value, label: label.value };
    const answer = await session.send('POST', `/api/${event.submitter?.value ?? 'login'}`, json);
    sayAnswer('result-login', answer);
    if (!answer.ok) return;
    showUser(answer.body.userId);
    drill?.restart();
  });

  const calls = {
    me: () => session.call('GET', '/api/me'),
    data: () => session.call('GET', '/api/data'),
    visit: async () => {
      const read = await session.call('GET', '/api/data');
      if (!read.ok) return read;
      const json = { ...read.body, visits: (read.body?.visits ?? 0) + 1 };
      const answer = await session.call('PUT', '/api/data', { json, headers: { 'if-match': read.etag } });
      return answer.ok ? { ...answer, text: JSON.stringify(json), body: json } : answer;
    },
  };
  $('calls').addEventListener('click', async ({ target }) => {
    if (!(target.dataset.call in calls)) return;
    const answer = await calls[target.dataset.call]();
    sayAnswer('result-call', answer);
    $('answer').textContent = answer.body === null ? answer.text : JSON.stringify(answer.body, null, 2);
    $('answer').hidden = false;
  });

  $('refresh').addEventListener('click', async () => sayAnswer('result-refresh', await session.refresh()));

  for (const id of ['logout', 'logout-all']) {
    $(id).addEventListener('click', async () => {
      const answer = await session.call('POST', `/api/${id}`);
      sayAnswer('result-login', answer);
      if (answer.ok) drill?.restart();
    });
  }

  $('prove').addEventListener('click', async () => {
    const answer = await proof.ask('Enter your password. The new tokens will say when you did.');
    if (answer !== null) sayAnswer('result-password', answer);
  });
  $('password').addEventListener('submit', async (event) => {
    event.preventDefault();
    const form = event.target;
    const json = { old: form.old.value, new: form.new.value };
    let answer = await session.call('POST', '/api/password', { json });
    if (answer.code === 'reauthenticate') {
      const proved = await proof.ask(`You entered your password more than ${proofMs / 60000} minutes ago. Enter it again.`);
      if (proved !== null) answer = await session.call('POST', '/api/password', { json });
    }
    if (!session.exists) return; // the notice says why
    sayAnswer('result-password', answer);
    if (!answer.ok) return;
    form.reset();
    devices.load();
  });

  $('clear').addEventListener('click', () => {
    $('log').replaceChildren();
    $('empty').hidden = false;
  });

  window.addEventListener('storage', ({ key, newValue }) => {
    if (key === 'id' && newValue === null) showUser(null); // another tab has logged out
  });

  showUser(null);
  if (session.exists) {
    const answer = await session.call('GET', '/api/me');
    if (answer.ok) showUser(answer.body.userId);
  }
}

start().catch(() => { $('who').textContent = 'The server cannot be reached. Reload this page.'; });
