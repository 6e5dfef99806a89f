// Missed calls: the list that gets worked off. Who takes one, what was agreed, calling back, done.

import { link, note } from '/web/address.js';
import { fill, make, quote } from '/web/dom.js';
import {
  atMostEvery,
  makeCsvLink,
  makeField,
  makeProblem,
  makeRow,
  makeTable,
  nameGroup,
  showNothing,
} from '/web/parts.js';
import { makePages } from '/web/pages.js';
import { ask } from '/web/server.js';
import { command } from '/web/commands.js';
import { may, now, state } from '/web/state.js';
import { ago, count, makeTime, say } from '/web/words.js';

const NEWS_MILLISECONDS = 2_000;

export function open(root, choices) {
  const wanted = { ...choices };
  const problem = makeProblem();
  const failed = makeProblem(); // of what was done, which loading anew does not take away
  const done = make('p', { role: 'status', class: 'hint' });
  const csv = makeCsvLink();
  const heads = ['number', 'group', 'count', 'last', 'attempts', 'owner', 'note', 'actions'].map((name) =>
    say(`page.missed.${name}`),
  );
  const table = makeTable(say('page.view.missed'), heads);
  const none = make('div', { role: 'status' });
  const more = make(
    'button',
    { type: 'button', hidden: true, on: { click: () => pages.load(true) } },
    say('page.calls.older'),
  );

  function choose(name, value) {
    wanted[name] = value.trim();
    note({ [name]: value.trim() });
    pages.load();
  }
  const canCall = may('commands.call.make') && may('numbers.read');
  const station = state.me.scope?.stations?.[0];
  root.append(
    make('h1', {}, say('page.view.missed')),
    make(
      'form',
      { class: 'fields', on: { submit: (event) => event.preventDefault() } },
      makeField('state', say('page.missed.state'), wanted.state, (value) => choose('state', value), {
        choices: [
          ['', say('page.missed.open')],
          ['closed', say('page.missed.closed')],
          ['all', say('page.any')],
        ],
      }),
      makeField('group', say('page.calls.group'), wanted.group, (value) => choose('group', value), {
        type: 'search',
      }),
      canCall && !station
        ? makeField(
            'station',
            say('page.missed.own_station'),
            wanted.station,
            (value) => {
              wanted.station = value.trim();
              note({ station: wanted.station });
            },
            { inputmode: 'numeric' },
          )
        : null,
    ),
    make('p', { class: 'actions' }, csv),
    problem.element,
    failed.element,
    done,
    table.element,
    none,
    more,
  );

  const pages = makePages('missed', {
    ask: () => ({ state: wanted.state, group: wanted.group }),
    show,
    problem,
    csv,
  });

  function show() {
    if (table.body.querySelector('textarea')) return; // somebody writes a note
    const focused = document.activeElement?.dataset?.act;
    const ofItem = document.activeElement?.closest('tr')?.dataset.id;
    table.body.replaceChildren(...pages.items.map(makeItem));
    if (focused)
      [...table.body.rows]
        .find((row) => row.dataset.id === ofItem)
        ?.querySelector(`[data-act="${focused}"]`)
        ?.focus();
    more.hidden = !pages.hasMore;
    table.element.hidden = pages.items.length === 0;
    if (pages.items.length) fill(none);
    else showNothing(none, say('page.missed.none'));
  }

  function makeItem(item) {
    const act = (name, run, isShown = true) =>
      isShown
        ? make(
            'button',
            {
              type: 'button',
              'data-act': name,
              'aria-label': say('page.missed.act', {
                act: say(`page.missed.${name}`),
                number: item.name ?? item.number,
              }),
              on: { click: run },
            },
            say(`page.missed.${name}`),
          )
        : null;
    const isOpen = item.state === 'open' && may('missed.write');
    const noteCell = make('div', { class: 'note' }, quote(item.note ?? ''));
    const cells = [
      [quote(item.number), item.name ? make('div', { class: 'hint' }, quote(item.name)) : null].filter(
        Boolean,
      ),
      nameGroup(item.group),
      count(item.count ?? 1),
      make(
        'span',
        {},
        ago((now() - Date.parse(item.last_at)) / 1000),
        make('div', { class: 'hint' }, makeTime(item.last_at, item.host)),
      ),
      item.attempted_at
        ? say('page.missed.tried', {
            count: count(item.attempts ?? 0),
            ago: ago((now() - Date.parse(item.attempted_at)) / 1000),
          })
        : '',
      item.closed_by ? say('page.missed.closed_by', { by: item.closed_by }) : (item.owner ?? ''),
      noteCell,
      make(
        'div',
        { class: 'actions' },
        act('call', () => callBack(item), canCall && item.state === 'open'),
        act('take', () => change(item, { owner: state.me.token }), isOpen && item.owner !== state.me.token),
        act('leave', () => change(item, { owner: '' }), isOpen && item.owner === state.me.token),
        act('write', () => write(item, noteCell), isOpen),
        act('close', () => change(item, { state: 'closed' }), isOpen),
      ),
    ];
    return makeRow(cells, { 'data-id': item.id });
  }

  async function change(item, body) {
    try {
      const changed = await ask('PATCH', `missed/${encodeURIComponent(item.id)}`, { body });
      const isGone = changed.state === 'closed' && !wanted.state;
      pages.items = pages.items.flatMap((each) => (each.id !== item.id ? [each] : isGone ? [] : [changed]));
      done.textContent = say('page.missed.saved', { number: item.number });
      failed.show(null);
    } catch (error) {
      failed.show(error);
    }
    show();
  }

  /** Have a note be written in the place of the one that is there. */
  function write(item, place) {
    const area = make('textarea', { rows: 3, maxlength: 4000, 'aria-label': say('page.missed.note') });
    area.value = item.note ?? '';
    const end = (save) => {
      const text = area.value;
      area.remove();
      if (save) change(item, { note: text });
      else show();
    };
    fill(
      place,
      area,
      make('button', { type: 'button', on: { click: () => end(true) } }, say('page.save')),
      make('button', { type: 'button', on: { click: () => end(false) } }, say('page.cancel')),
    );
    area.addEventListener('keydown', (event) => event.key === 'Escape' && end(false));
    area.focus();
  }

  async function callBack(item) {
    const from = station ?? wanted.station;
    if (!from) {
      failed.show(new Error(say('page.missed.no_station')));
      root.querySelector('#field-station')?.focus();
      return;
    }
    try {
      done.textContent = say('page.missed.calling', { number: item.number, station: from });
      await command('call.make', { deviceNumber: from, calledDN: item.number }, item.host);
      failed.show(null);
    } catch (error) {
      done.textContent = '';
      failed.show(error);
    }
  }

  const news = atMostEvery(() => pages.isFirst && pages.load(), NEWS_MILLISECONDS);
  pages.load();
  return {
    refresh: (changes) => changes.has('missed') && news(),
    close() {
      pages.end();
      news.cancel();
    },
  };
}
