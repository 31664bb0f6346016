// Step-up: the user proves again who they are, in a dialog, before something that asks for a fresh proof.

import { verdict } from '/verdict.js';

export class Proof {
  #settle = null; // ends the question that is being asked

  constructor(session, dialog, say) {
    this.session = session;
    this.dialog = dialog;
    this.say = say;
    this.form = dialog.querySelector('form');
    this.form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#prove();
    });
    this.form.querySelector('[value="cancel"]').addEventListener('click', () => dialog.close());
    dialog.addEventListener('close', () => { // also for the Escape key
      this.form.reset();
      this.#settle?.(null);
      this.#settle = null;
    });
  }

  // ask returns the good answer of /api/reauthenticate, or null if the user gave up.
  ask(why) {
    this.dialog.querySelector('#proof-why').textContent = why;
    this.say('');
    this.dialog.showModal();
    return new Promise((resolve) => { this.#settle = resolve; });
  }

  async #prove() {
    const submit = this.form.querySelector('button');
    submit.disabled = true; // right after a refresh the server takes its time
    const answer = await this.session.call('POST', '/api/reauthenticate', { json: { password: this.form.password.value } });
    submit.disabled = false;
    if (!answer.ok && !answer.ended) {
      this.say(verdict(answer), 'bad');
      this.form.password.select();
      return;
    }
    if (answer.ok) {
      this.#settle?.(answer);
      this.#settle = null;
    }
    this.dialog.close();
  }
}
