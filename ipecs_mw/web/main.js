// The beginning: words, who one is, the frame; then the view that the address names.

import { read } from '/web/address.js';
import { ask, get } from '/web/server.js';
import { showFrame } from '/web/frame.js';
import { showSignIn } from '/web/sign_in.js';
import { start, stop } from '/web/stream.js';
import { noteClock, state } from '/web/state.js';
import * as words from '/web/words.js';

let language = '';
let frame = null;

async function begin() {
  await speak();
  try {
    enter(await get('session'));
  } catch (error) {
    showSignIn(enter, error.status === 401 && error.problem !== 'session_over' ? '' : error.message);
  }
}

async function speak() {
  language = read().choices.lang ?? '';
  await words.load(language);
}

function enter(me) {
  state.me = me;
  noteClock(me.as_of);
  words.setZones(Object.fromEntries(me.hosts.map((host) => [host.name, host.timezone])));
  frame = showFrame(signOut);
  start(leave);
}

async function signOut() {
  await ask('DELETE', 'session').catch(() => null);
  leave('');
}

/** End everything that is shown, and say why. */
function leave(reason) {
  if (!frame) return;
  frame.close();
  frame = null;
  stop();
  state.me = null;
  showSignIn(enter, reason && words.say('page.sign_in.over'));
}

addEventListener('hashchange', async () => {
  if ((read().choices.lang ?? '') !== language) {
    await speak();
    if (frame) {
      frame.close();
      frame = showFrame(signOut);
    } else {
      showSignIn(enter, '');
    }
  } else {
    frame?.showView();
  }
});

begin();
