// The phone systems: whether they are connected, how far behind anything is, what is missing, which alarms last.

import { fill, make, quote } from '/web/dom.js';
import { atMostEvery, makeProblem, makeRow, makeTable, showNothing } from '/web/parts.js';
import { get } from '/web/server.js';
import { findStale, listHosts, may, now, state } from '/web/state.js';
import { ago, count, makeTime, say, word } from '/web/words.js';

const LOOK_MILLISECONDS = 10_000;
const GAPS = 20;

export function open(root) {
  const problem = makeProblem();
  const systems = make('div', { class: 'systems' });
  const daemons = make('div', {});
  const alarms = make('div', {});
  const gaps = make('div', {});
  let number = 0;
  root.append(
    make('h1', {}, say('page.view.system')),
    problem.element,
    systems,
    make('h2', {}, say('page.system.alarms')),
    alarms,
    make('h2', {}, say('page.system.gaps')),
    gaps,
    make('h2', {}, say('page.system.daemons')),
    daemons,
  );

  function showSystems() {
    const names = listHosts();
    if (names.length === 0) showNothing(systems, say('page.system.none'));
    else fill(systems, names.map(makeSystem));
  }

  /** Return one phone system, by what its daemon and the reader of calls tell. */
  function makeSystem(name) {
    const told = state.status?.hosts?.find((each) => each.host === name);
    const session = (state.status?.daemons ?? [])
      .filter((each) => each.is_alive)
      .map((each) => each.hosts?.[name])
      .find(Boolean);
    const stale = findStale(name);
    const lines = [
      session
        ? say('page.system.session', { state: word('state', session.state) })
        : say('page.system.no_session'),
      session?.reason,
      ...(stale.length ? stale.map((reason) => word('page.stale', reason)) : [say('page.system.current')]),
      told?.heard_at && say('page.system.heard', { ago: ago((now() - Date.parse(told.heard_at)) / 1000) }),
      session?.lag_seconds >= 1 && say('page.system.lag', { seconds: count(session.lag_seconds) }),
      told?.behind_seconds >= 1 && say('page.system.behind', { seconds: count(told.behind_seconds) }),
      session?.reconnects > 0 && say('page.system.reconnects', { count: count(session.reconnects) }),
    ].filter(Boolean);
    const isWell = Boolean(session) && session.state === 'up' && stale.length === 0;
    const lamp = make('span', { class: 'sign', 'aria-hidden': 'true' }, isWell ? '●' : '⚠');
    return make(
      'article',
      { class: `tile system ${isWell ? 'well' : 'alert'}` },
      make('h2', {}, lamp, ' ', quote(name)),
      make(
        'ul',
        {},
        lines.map((line) => make('li', {}, line)),
      ),
    );
  }

  function showDaemons() {
    const rows = (state.status?.daemons ?? []).map((each) =>
      makeRow([
        each.version ?? '',
        say(each.is_alive ? 'page.system.alive' : 'page.system.dead'),
        makeTime(each.started_at, ''),
        makeTime(each.heartbeat_at, ''),
      ]),
    );
    const heads = ['version', 'state', 'started', 'seen'].map((name) => say(`page.system.${name}`));
    if (rows.length) fill(daemons, makeTable(say('page.system.daemons'), heads, rows).element);
    else showNothing(daemons, say('page.system.no_daemon'));
  }

  const load = atMostEvery(async () => {
    const mine = ++number;
    try {
      const [lasting, missing] = await Promise.all([
        get('alarms'),
        may('events.read') ? get('events', { type: 'gap', limit: GAPS }) : { items: null },
      ]);
      if (mine !== number) return;
      showAlarms(lasting.items);
      showGaps(missing.items);
      problem.show(null);
    } catch (error) {
      if (mine === number) problem.show(error);
    }
  }, LOOK_MILLISECONDS);

  function showAlarms(items) {
    if (items.length === 0) showNothing(alarms, say('page.system.no_alarm'));
    else
      fill(
        alarms,
        items.map((each) =>
          make(
            'p',
            { class: 'notice' },
            '⚠ ',
            quote(each.host),
            ', ',
            quote(each.rule),
            ': ',
            each.says,
            ' (',
            makeTime(each.since, each.host),
            ')',
          ),
        ),
      );
  }

  function showGaps(items) {
    if (items === null) showNothing(gaps, say('page.system.gaps_unseen'));
    else if (items.length === 0) showNothing(gaps, say('page.system.no_gap'));
    else
      fill(
        gaps,
        makeTable(
          say('page.system.gaps'),
          ['host', 'since', 'until'].map((name) => say(`page.system.${name}`)),
          items.map((each) =>
            makeRow([
              each.host,
              makeTime(each.data?.since, each.host),
              makeTime(each.data?.until, each.host),
            ]),
          ),
        ).element,
      );
  }

  showSystems();
  showDaemons();
  load();
  return {
    refresh(changes) {
      if (!['status', 'hosts', 'connection', 'gap', 'loaded'].some((kind) => changes.has(kind))) return;
      showSystems();
      showDaemons();
      load();
    },
    close() {
      number += 1;
      load.cancel();
    },
  };
}
