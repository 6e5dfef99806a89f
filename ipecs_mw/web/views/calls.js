// Calls: searched as one types; a call's course as bars and in words; the events that it was read from.

import { link, note } from '/web/address.js';
import { fill, make, quote } from '/web/dom.js';
import {
  atMostEvery,
  lasted,
  later,
  makeCsvLink,
  makeField,
  makeProblem,
  makeRow,
  makeTable,
  nameCalled,
  nameCaller,
  showNothing,
} from '/web/parts.js';
import { makePages } from '/web/pages.js';
import { showCourse } from '/web/course.js';
import { get, link as aim } from '/web/server.js';
import { may, now } from '/web/state.js';
import { clock, makeTime, say, word } from '/web/words.js';

const TYPING_MILLISECONDS = 250;
const NEWS_MILLISECONDS = 2_000;
const FILTERS = ['name', 'number', 'station', 'agent', 'group', 'direction', 'outcome', 'since', 'until'];
const DIRECTIONS = ['inbound', 'outbound', 'internal', 'tandem', 'unknown'];
const OUTCOMES = [
  'answered',
  'abandoned',
  'no_answer',
  'busy',
  'refused',
  'failed',
  'voicemail',
  'lost_on_hold',
  'unknown',
];

export function open(root, choices) {
  if (choices.call) return showCall(root, choices.call);
  const wanted = { ...choices };
  const problem = makeProblem();
  const csv = makeCsvLink();
  const copied = make('span', { role: 'status', class: 'hint' });
  const copy = make(
    'button',
    { type: 'button', hidden: !navigator.clipboard, on: { click: copyCsv } },
    say('page.calls.copy'),
  );
  const more = make(
    'button',
    { type: 'button', hidden: true, on: { click: () => pages.load(true) } },
    say('page.calls.older'),
  );
  const heads = ['time', 'direction', 'from', 'to', 'by', 'outcome', 'lasted'].map((name) =>
    say(`page.calls.${name}`),
  );
  const table = makeTable(say('page.view.calls'), heads);
  const none = make('div', { role: 'status' });

  const search = later(() => pages.load(), TYPING_MILLISECONDS);
  function choose(name, value) {
    wanted[name] = value;
    note({ [name]: value });
    search();
  }
  const field = (name, more) =>
    makeField(name, say(`page.calls.${name}`), wanted[name], (value) => choose(name, value.trim()), more);
  const list = (family, values) => ({
    choices: [['', say('page.any')], ...values.map((each) => [each, word(family, each)])],
  });
  root.append(
    make('h1', {}, say('page.view.calls')),
    make(
      'form',
      { class: 'fields', role: 'search', on: { submit: (event) => event.preventDefault() } },
      field('name', { hint: say('page.calls.name_hint'), autocomplete: 'off' }),
      may('numbers.read') ? field('number', { autocomplete: 'off', inputmode: 'tel' }) : null,
      field('station'),
      field('agent'),
      field('group'),
      field('direction', list('page.direction', DIRECTIONS)),
      field('outcome', list('page.outcome', OUTCOMES)),
      field('since', { type: 'datetime-local' }),
      field('until', { type: 'datetime-local' }),
    ),
    make('p', { class: 'actions' }, csv, copy, copied),
    problem.element,
    table.element,
    none,
    more,
  );

  /** Return the question: instants with the reader's zone, blank filters left out. */
  function ask() {
    const query = Object.fromEntries(
      FILTERS.filter((name) => wanted[name]).map((name) => [name, wanted[name]]),
    );
    for (const name of ['since', 'until']) {
      const instant = query[name] && new Date(query[name]);
      if (instant && !Number.isNaN(instant.getTime())) query[name] = instant.toISOString();
    }
    return query;
  }

  const pages = makePages('calls', { ask, show, problem, csv });

  function show() {
    table.body.replaceChildren(...pages.items.map(makeCallRow));
    more.hidden = !pages.hasMore;
    table.element.hidden = pages.items.length === 0;
    if (pages.items.length) fill(none);
    else showNothing(none, say('page.calls.none'));
  }

  async function copyCsv() {
    try {
      await navigator.clipboard.writeText(await get('calls', { ...ask(), limit: 500, format: 'csv' }));
      copied.textContent = say('page.calls.copied');
    } catch (error) {
      problem.show(error);
    }
  }

  const news = atMostEvery(() => pages.isFirst && pages.load(), NEWS_MILLISECONDS);
  pages.load();
  return {
    refresh: (changes) => changes.has('calls') && news(),
    close() {
      pages.end();
      search.cancel();
      news.cancel();
    },
  };
}

/** Return a call as a row of seven cells; its time leads to its course. */
export function makeCallRow(call) {
  const who = call.answered_by?.agent ?? call.answered_by?.station ?? '';
  const outcome = call.is_open ? say('page.call.open') : word('page.outcome', call.outcome);
  return makeRow(
    [
      make('a', { href: link('calls', { call: call.id }) }, makeTime(call.began_at, call.host)),
      word('page.direction', call.direction),
      nameCaller(call),
      nameCalled(call),
      who,
      make('span', { class: 'outcome', 'data-outcome': call.is_open ? 'open' : call.outcome }, outcome),
      clock(lasted(call, now())),
    ],
    { 'data-call': call.id },
  );
}

/** Show one call. */
function showCall(root, id) {
  const place = make('div', {});
  const problem = makeProblem();
  const raw = make('div', { class: 'events' });
  const button = make('button', { type: 'button', on: { click: showEvents } }, say('page.call.events'));
  root.append(
    make('p', {}, make('a', { href: link('calls') }, say('page.call.back'))),
    make('h1', {}, say('page.call.title')),
    problem.element,
    place,
    button,
    raw,
  );

  async function load() {
    try {
      showCourse(place, await get(`calls/${encodeURIComponent(id)}`));
      problem.show(null);
    } catch (error) {
      problem.show(error);
    }
  }

  async function showEvents() {
    try {
      const { items } = await get(`calls/${encodeURIComponent(id)}/events`);
      const details = (event) =>
        make(
          'details',
          {},
          make('summary', {}, quote(event.type)),
          make('pre', { tabindex: '0' }, JSON.stringify({ data: event.data, raw: event.raw }, null, 1)),
        );
      const rows = items.map((event) =>
        makeRow([makeTime(event.at ?? event.received_at, event.host), event.kind, details(event)]),
      );
      if (rows.length === 0) showNothing(raw, say('cli.call.no_events'));
      else
        fill(
          raw,
          makeTable(
            say('page.call.events'),
            [say('page.calls.time'), say('page.call.kind'), say('page.call.event')],
            rows,
          ).element,
          make('a', { href: aim(`calls/${encodeURIComponent(id)}/events`) }, 'JSON'),
        );
    } catch (error) {
      problem.show(error);
    }
  }

  load();
  return { refresh: (changes) => changes.get('calls')?.has(id) && load() };
}
