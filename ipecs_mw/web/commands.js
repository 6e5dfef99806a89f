// Commands to the phone system: given once, with what became of them in words.

import { Refused, ask } from '/web/server.js';
import { say, word } from '/web/words.js';

/** Have a command be carried out. Throws Refused with the reason where it was not, or where nobody knows. */
export async function command(id, args, host) {
  const request = await ask('POST', 'requests', { body: { command: id, args, host }, key: makeKey() });
  if (request.state === 'done') return request.result;
  const said =
    request.error?.text ??
    request.error?.detail ??
    request.error?.name ??
    word('page.request', request.state);
  throw new Refused(
    request.state === 'failed' ? 409 : 504,
    request.state,
    say('page.command_failed', { reason: said }),
  );
}

/** Return a key that no other request has: the same key is never carried out twice. */
function makeKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))]
    .map((each) => each.toString(16).padStart(2, '0'))
    .join('');
}
