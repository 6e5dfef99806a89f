// Signing in: a token is given once, and kept by nobody; the browser gets a cookie that no script can read.

import { fill, make } from '/web/dom.js';
import { ask } from '/web/server.js';
import { say } from '/web/words.js';

/** Show the form; `enter` is called with who has signed in. `why` says why one has to. */
export function showSignIn(enter, why) {
  const token = make('input', {
    id: 'token',
    name: 'token',
    type: 'password',
    autocomplete: 'current-password',
    required: true,
    spellcheck: 'false',
    'aria-describedby': 'sign-in-help sign-in-problem',
  });
  const problem = make('p', { id: 'sign-in-problem', class: 'problem', role: 'alert' }, why ?? '');
  const button = make('button', { class: 'primary' }, say('page.sign_in.enter'));
  const form = make(
    'form',
    { class: 'sign-in', on: { submit: send } },
    make('h1', {}, say('page.sign_in.title')),
    make('label', { for: 'token' }, say('page.sign_in.token')),
    token,
    make('p', { id: 'sign-in-help', class: 'hint' }, say('page.sign_in.help')),
    problem,
    button,
  );

  async function send(event) {
    event.preventDefault();
    button.disabled = true;
    problem.textContent = '';
    try {
      const me = await ask('POST', 'session', { body: { token: token.value.trim() } });
      token.value = '';
      enter(me);
    } catch (error) {
      problem.textContent = error.message;
      token.select();
    } finally {
      button.disabled = false;
    }
  }

  document.title = `${say('page.sign_in.title')} · ipecs-mw`;
  fill(document.body, make('main', { class: 'alone' }, form));
  token.focus();
}
