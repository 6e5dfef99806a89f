// All that the page knows now, in one place. Views are told of changes: at once, less often the more there are.

const LEAST_PAUSE_MILLISECONDS = 150;
const PAUSE_OF_A_CHANGE_MILLISECONDS = 15;
const LONGEST_PAUSE_MILLISECONDS = 500;
const KINDS = { station: 'stations', agent: 'agents', queue: 'queues', host: 'hosts', missed: 'missed' };

/** `me` is who is signed in; of each kind a map of documents by id. `lostAt` is since when the server is away,
 * or gives no stream because it `isFull`. */
export const state = {
  me: null,
  stations: new Map(),
  agents: new Map(),
  queues: new Map(),
  hosts: new Map(),
  calls: new Map(),
  missed: new Map(),
  status: null,
  isLoaded: false,
  lostAt: null,
  isFull: false,
  skew: 0,
};

const watchers = new Set();
let changes = new Map();
let timer = 0;
let quietUntil = 0;

/** Call `watcher` with the changes since it was last called: kind → ids. Returns what ends that. */
export function watch(watcher) {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

/** Note that something changed. */
export function touch(kind, id = '') {
  if (!changes.has(kind)) changes.set(kind, new Set());
  changes.get(kind).add(id);
  timer ||= setTimeout(tell, Math.max(0, quietUntil - performance.now()));
}

function tell() {
  const told = changes;
  changes = new Map();
  timer = 0;
  const size = [...told.values()].reduce((sum, ids) => sum + ids.size, 0);
  const pause = LEAST_PAUSE_MILLISECONDS + size * PAUSE_OF_A_CHANGE_MILLISECONDS;
  quietUntil = performance.now() + Math.min(pause, LONGEST_PAUSE_MILLISECONDS);
  for (const watcher of [...watchers]) watcher(told);
}

/** Take a message of the stream in. */
export function take(name, data) {
  if (name.startsWith('call.')) {
    takeCall(name, data);
  } else if (name in KINDS) {
    put(KINDS[name], data);
  } else if (name === 'figures' || name === 'gap') {
    touch(name, data.id);
  }
}

function takeCall(name, call) {
  if (call.is_gone || call.is_open === false) state.calls.delete(call.id);
  else state.calls.set(call.id, call);
  touch('calls', call.id);
  if (name !== 'call.changed' && call.id) touch(name, call.id);
}

function put(kind, data) {
  const isGone = data.is_gone || (kind === 'missed' && data.state === 'closed');
  if (isGone) state[kind].delete(data.id);
  else state[kind].set(data.id, data);
  touch(kind, data.id);
}

/** Forget what a new snapshot will say anew. */
export function clear() {
  for (const kind of ['stations', 'agents', 'queues', 'hosts', 'calls', 'missed']) {
    state[kind].clear();
    touch(kind);
  }
}

/** Return the instant, by the server's clock: that of the reader may be wrong. */
export const now = () => Date.now() + state.skew;

/** Note the server's instant, where it differs by more than a request takes. */
export function noteClock(instant) {
  const skew = Date.parse(instant) - Date.now();
  if (Math.abs(skew - state.skew) > 1500) {
    state.skew = skew;
    touch('clock');
  }
}

/** Return why what is shown of a host may no longer be so, as reasons; nothing where it is so. */
export function findStale(host) {
  if (state.lostAt) return ['lost'];
  const told = state.status?.hosts?.find((each) => each.host === host);
  const reasons = new Set(told?.is_stale ? told.reasons : []);
  const live = [...state.hosts.values()].find((each) => each.host === host);
  if (live) reasons[live.is_stale ? 'add' : 'delete']('session_down');
  return [...reasons];
}

/** Return all hosts that are known, each once. */
export function listHosts() {
  const names = [...state.hosts.values(), ...(state.status?.hosts ?? [])].map((each) => each.host);
  return [...new Set([...names, ...(state.me?.hosts ?? []).map((each) => each.name)])].sort();
}

/** Return the instant up to which durations of a host count: they stand still while nobody knows. */
export function nowOf(host) {
  if (state.lostAt) return state.lostAt;
  if (findStale(host).length === 0) return now();
  const told = state.status?.hosts?.find((each) => each.host === host);
  return Math.min(now(), Date.parse(told?.heard_at) || now());
}

/** Tell whether the token has a right; `commands.ID` fits patterns such as `commands.call.*`. */
export function may(right) {
  return (state.me?.rights ?? []).some(
    (each) =>
      each === right ||
      (each.includes('*') && new RegExp(`^${each.replace(/[.]/g, '\\.').replace(/\*/g, '.*')}$`).test(right)),
  );
}
