// Parts that several views are made of: signs of states, parties of a call, fields, tables, CSV.

import { fill, make, quote, write } from '/web/dom.js';
import { link } from '/web/server.js';
import { state } from '/web/state.js';
import { clock, say, word } from '/web/words.js';

/** State → its sign, so that no state is told by its colour alone. */
const SIGNS = {
  ready: '●',
  idle: '○',
  ringing: '◉',
  talking: '▶',
  holding: '‖',
  wrap_up: '✎',
  not_ready: '■',
  busy_other: '◆',
  dnd: '⊘',
  out_of_service: '✕',
  unknown: '?',
};
export const STATES = Object.keys(SIGNS);

/** Return a state as sign and word; `show` changes it. */
export function makeState() {
  const sign = make('span', { class: 'sign', 'aria-hidden': 'true' });
  const text = make('span', {});
  const element = make('span', { class: 'state' }, sign, text);
  return {
    element,
    show(value, reason) {
      element.dataset.state = value;
      write(sign, SIGNS[value] ?? '·');
      write(
        text,
        reason
          ? say('page.state_reason', { state: word('page.state', value), reason: nameReason(reason) })
          : word('page.state', value),
      );
    },
  };
}

export const nameReason = (key) => state.me?.reasons?.[key] ?? key;

/** Return the name of a group with its number. */
export const nameGroup = (group) =>
  state.me?.groups?.[group] ? `${state.me.groups[group]} (${group})` : String(group ?? '');

/** Return who called, in words. */
export const nameCaller = (call) =>
  call.caller?.name || call.caller?.number || call.caller?.station || say('page.call.somebody');

/** Return who was called, in words. */
export function nameCalled(call) {
  const { number, did, group, station } = call.dialed ?? {};
  return (
    number ||
    (group && nameGroup(group)) ||
    station ||
    did ||
    (call.groups?.[0] && nameGroup(call.groups[0])) ||
    say('page.call.somebody')
  );
}

/** Return how many seconds a call lasted, or lasts. */
export const lasted = (call, now) =>
  (Date.parse(call.ended_at ?? new Date(now).toISOString()) - Date.parse(call.began_at)) / 1000;

/** Return a labelled field; `choices` are pairs of value and word where it is a list. */
export function makeField(name, label, value, act, { type = 'text', choices, hint, ...more } = {}) {
  const attributes = {
    id: `field-${name}`,
    name,
    ...more,
    on: { [choices || type !== 'text' ? 'change' : 'input']: (event) => act(event.target.value) },
  };
  const input = choices
    ? make(
        'select',
        attributes,
        choices.map(([each, text]) =>
          make('option', { value: each, selected: each === (value ?? '') }, text),
        ),
      )
    : make('input', { ...attributes, type, value: value ?? '', placeholder: hint });
  return make('div', { class: 'field' }, make('label', { for: `field-${name}` }, label), input);
}

/** Return a table: heads are texts or elements, rows are elements `tr`. */
export function makeTable(caption, heads, rows = []) {
  const body = make('tbody', {}, rows);
  const element = make(
    'div',
    { class: 'table', role: 'region', tabindex: '0', 'aria-label': caption },
    make(
      'table',
      {},
      make('caption', { class: 'hidden' }, caption),
      make(
        'thead',
        {},
        make(
          'tr',
          {},
          heads.map((head) => make('th', { scope: 'col' }, head)),
        ),
      ),
      body,
    ),
  );
  return { element, body };
}

/** Return a row; a cell is a text, an element, or a list of both. */
export function makeRow(cells, attributes = {}) {
  return make(
    'tr',
    attributes,
    cells.map((cell) => make('td', {}, typeof cell === 'string' ? quote(cell) : cell)),
  );
}

/** Return the link from which a question is downloaded as CSV. */
export const makeCsvLink = () => make('a', { class: 'button csv', download: '' }, say('page.csv'));
export function aimCsvLink(element, path, query) {
  element.href = link(path, { ...query, format: 'csv' });
  element.download = `${path.replace('/', '-')}.csv`;
}

/** Return a line that says what went wrong, or nothing. */
export function makeProblem() {
  const element = make('p', { class: 'problem', role: 'alert' });
  return { element, show: (error) => write(element, error ? error.message : '') };
}

/** Return `act`, called once after calls have ceased for a while. */
export function later(act, milliseconds) {
  let timer = 0;
  const call = (...facts) => {
    clearTimeout(timer);
    timer = setTimeout(() => act(...facts), milliseconds);
  };
  call.cancel = () => clearTimeout(timer);
  return call;
}

/** Return `act`, called at once and then at most every so many milliseconds while it is wanted. */
export function atMostEvery(act, milliseconds) {
  let timer = 0;
  let isWanted = false;
  const run = () => {
    isWanted = false;
    timer = setTimeout(() => ((timer = 0), isWanted && run()), milliseconds);
    act();
  };
  const call = () => ((isWanted = true), timer || run());
  call.cancel = () => clearTimeout(timer);
  return call;
}

/** Say that nothing is there. */
export const showNothing = (place, text) => fill(place, make('p', { class: 'nothing' }, text));

export const since = (instant, now) => clock((now - Date.parse(instant)) / 1000);
