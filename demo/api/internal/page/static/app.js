import { Drill } from '/drill.js';
import { Session } from '/session.js';
import { verdict } from '/verdict.js';

const $ = (id) => document.getElementById(id);
const maxLines = 100;

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
    for (const id of ['result-login', 'result-call', 'result-refresh']) say(id, '');
    $('answer').hidden = true;
  }
}

function showUser(user) {
  $('who').textContent = user === null ? 'Not logged in' : `Logged in as ${user}`;
  $('leave').hidden = user === null;
  for (const button of $('calls').children) button.disabled = user === null;
  $('refresh').disabled = user === null;
}

async function start() {
  const response = await fetch('/api/demo');
  const described = await response.json();
  const session = new Session(described, tell);
  const { graceMs, antiCsrf, store, login } = described;
  $('setup').textContent = `Sessions in ${store === 'mysql' ? 'MySQL' : 'memory'} · grace ${graceMs / 1000} s · anti-CSRF ${antiCsrf}`;
  if (login) {
    $('login').userId.value = login.userId;
    $('login').password.value = login.password;
  }
  const drill = described.drill ? new Drill(session, $('drill'), (text, kind) => say('result-drill', text, kind), tell) : null;
  $('no-drill').hidden = described.drill;

  $('login').addEventListener('submit', async (event) => {
    event.preventDefault();
    const json = { userId: event.target.userId.value, password: event.target.password.value };
    const answer = await session.send('POST', `/api/${event.submitter?.value ?? 'login'}`, json);
    sayAnswer('result-login', answer);
    if (!answer.ok) return;
    showUser(answer.body.userId);
    drill?.restart();
  });

  const calls = {
    me: () => session.call('GET', '/api/me'),
    data: () => session.call('GET', '/api/data'),
    sessions: () => session.call('GET', '/api/sessions'),
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

  $('clear').addEventListener('click', () => {
    $('log').replaceChildren();
    $('empty').hidden = false;
  });

  showUser(null);
  if (session.exists) {
    const answer = await session.call('GET', '/api/me');
    if (answer.ok) showUser(answer.body.userId);
  }
}

start().catch(() => { $('who').textContent = 'The server cannot be reached. Reload this page.'; });
