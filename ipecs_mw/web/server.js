// Questions to the server: JSON over the cookie, problems as errors whose message is a sentence.

import { say } from '/web/words.js';

/** What the server refused: `status` (0 where it cannot be reached), name of the problem, message in words. */
export class Refused extends Error {
  constructor(status, name, detail) {
    super(detail);
    this.status = status;
    this.problem = name;
  }
}

const WAIT_MILLISECONDS = 30_000;

/** Return the JSON of an answer, its text where that is CSV, null for none. Throws Refused. */
export async function ask(method, path, options = {}) {
  const answer = await send(method, path, options);
  if (answer.status === 204) return null;
  return isJson(answer) ? answer.json() : answer.text();
}

/** Ask for a stream and leave it at once: an EventSource does not tell why it is refused. Throws Refused. */
export async function tryStream(query) {
  const leaving = new AbortController();
  await send('GET', 'stream', { query, signal: leaving.signal });
  leaving.abort();
}

const isJson = (answer) => (answer.headers.get('Content-Type') ?? '').includes('json');

async function send(method, path, { query = {}, body, wait = WAIT_MILLISECONDS, key, signal } = {}) {
  let answer;
  try {
    answer = await fetch(link(path, query), {
      method,
      headers: {
        'Accept-Language': document.documentElement.lang,
        'X-Requested-With': 'ipecs-mw',
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...(key ? { 'Idempotency-Key': key } : {}),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: signal ?? AbortSignal.timeout(wait),
      cache: 'no-store',
    });
  } catch {
    throw new Refused(0, 'unreachable', say('page.problem.unreachable'));
  }
  if (answer.ok) return answer;
  const problem = isJson(answer) ? await answer.json().catch(() => ({})) : {};
  const detail = problem.detail ?? say('page.problem.answer', { status: answer.status });
  throw new Refused(answer.status, problem.name ?? '', detail);
}

export const get = (path, query, options) => ask('GET', path, { query, ...options });

/** Return the path of a question with its parameters; blank ones are left out. */
export function link(path, query = {}) {
  const given = Object.entries(query).filter(
    ([, value]) => value !== '' && value !== null && value !== undefined,
  );
  const text = new URLSearchParams(given).toString();
  return `${path.startsWith('/') ? path : `/api/v1/${path}`}${text && `?${text}`}`;
}
