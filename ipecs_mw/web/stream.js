// The one stream of the page: it begins with what is so, goes on with what changes, and finds its way back.

import { Refused, get, tryStream } from '/web/server.js';
import { clear, may, noteClock, now, state, take, touch } from '/web/state.js';

const TOPICS = { state: 'state.read', calls: 'calls.read', missed: 'calls.read', figures: 'figures.read' };
const NAMES = [
  'call.began',
  'call.ringing',
  'call.answered',
  'call.changed',
  'call.ended',
  'call.missed',
  'station',
  'agent',
  'queue',
  'host',
  'missed',
  'figures',
  'gap',
];
const LOOK_MILLISECONDS = 10_000;
const PATIENCE_MILLISECONDS = 8_000;
const FIRST_WAIT_MILLISECONDS = 1_000;
const LONGEST_WAIT_MILLISECONDS = 15_000;
const TRIES_WITH_POSITION = 2;
const TOO_MANY = 429;
const OVER = ['signed_out', 'token_revoked'];

let source = null;
let position = '';
let wait = FIRST_WAIT_MILLISECONDS;
let tries = 0;
let isRefused = false;
let timers = [];
let leave = () => {};

/** Follow until `stop`; `onOver` is called where the session is no more. */
export function start(onOver) {
  leave = onOver;
  open();
  look();
  timers.push(setInterval(look, LOOK_MILLISECONDS));
}

export function stop() {
  source?.close();
  source = null;
  position = '';
  wait = FIRST_WAIT_MILLISECONDS;
  timers.forEach((timer) => clearInterval(timer) ?? clearTimeout(timer));
  timers = [];
  clear();
  state.status = null;
  state.isLoaded = false;
  state.lostAt = null;
  state.isFull = false;
}

const listTopics = () => Object.keys(TOPICS).filter((topic) => may(TOPICS[topic]));

function open() {
  const topics = listTopics();
  if (topics.length === 0) return;
  const query = new URLSearchParams({ topics: topics.join(','), snapshot: 'true' });
  if (position) query.set('after', position);
  else clear();
  source?.close();
  const opened = (source = new EventSource(`/api/v1/stream?${query}`));
  const listen = (name, act) =>
    opened.addEventListener(name, (event) => {
      if (opened !== source) return;
      position = event.lastEventId || position;
      act(JSON.parse(event.data));
    });
  NAMES.forEach((name) => listen(name, (data) => take(name, data)));
  listen('snapshot', (data) => {
    noteClock(data.as_of);
    state.isLoaded = true;
    touch('loaded');
  });
  listen('reset', clear);
  listen('closed', ({ reason }) => {
    opened.close();
    if (OVER.includes(reason)) leave(reason);
    else comeBack();
  });
  opened.addEventListener('open', () => opened === source && found());
  opened.addEventListener('error', () => {
    if (opened !== source) return;
    lose();
    if (opened.readyState !== EventSource.CLOSED) return;
    isRefused = true;
    comeBack();
  });
}

function lose() {
  state.lostAt ??= now();
  touch('connection');
}

function found() {
  wait = FIRST_WAIT_MILLISECONDS;
  tries = 0;
  isRefused = false;
  state.lostAt = null;
  state.isFull = false;
  state.isLoaded ||= position !== '';
  touch('connection');
}

/** Open the stream anew after a while, and ask first whether one is still signed in, and why it was refused. */
function comeBack() {
  lose();
  const jitter = wait * (0.75 + Math.random() / 2);
  wait = Math.min(wait * 2, LONGEST_WAIT_MILLISECONDS);
  timers.push(
    setTimeout(async () => {
      if (source === null) return;
      try {
        state.me = await get('session', {}, { wait: PATIENCE_MILLISECONDS });
        if (isRefused) await tryStream({ topics: listTopics()[0] });
        if (++tries > TRIES_WITH_POSITION) position = ''; // it may be what the server does not take
        open();
      } catch (error) {
        state.isFull = error.status === TOO_MANY;
        if (error.status === 401) leave(error.problem);
        else comeBack();
      }
    }, jitter),
  );
}

/** Ask how everything is: a line that was cut says nothing by itself, nor does a reader of events that died. */
async function look() {
  try {
    if (may('state.read')) {
      state.status = await get('status', {}, { wait: PATIENCE_MILLISECONDS });
      noteClock(state.status.as_of);
    } else {
      await get('/healthz', {}, { wait: PATIENCE_MILLISECONDS });
    }
    if (state.lostAt && source?.readyState === EventSource.OPEN) open(); // perhaps nobody holds it any more
    touch('status');
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (error.status === 401) leave(error.problem);
    else if (error.status !== TOO_MANY) lose();
  }
}
