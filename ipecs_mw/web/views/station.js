// One station: its state and calls, buttons for what the token may do, and the browser pop.

import { link, note } from '/web/address.js';
import { fill, make, quote, write } from '/web/dom.js';
import { command } from '/web/commands.js';
import {
  atMostEvery,
  makeField,
  makeProblem,
  makeState,
  makeTable,
  nameCalled,
  nameCaller,
  showNothing,
  since,
} from '/web/parts.js';
import { openPop, makeUrl } from '/web/pop.js';
import { get } from '/web/server.js';
import { findStale, may, nowOf, state } from '/web/state.js';
import { say, word } from '/web/words.js';
import { makeCallRow } from '/web/views/calls.js';

const NEWS_MILLISECONDS = 3_000;
const REASONS = [...'0123456789*#'];

export function open(root, choices) {
  const wanted = { on: 'call.ringing', ...choices };
  const bound = state.me.scope?.stations ?? [];
  const problem = makeProblem();
  const done = make('p', { role: 'status', class: 'hint' });
  const lamp = makeState();
  const time = make('span', { class: 'time' });
  const now_ = make('div', { class: 'own tile' }, lamp.element, time);
  const buttons = make('div', { class: 'actions' });
  const calls = make('div', { class: 'own-calls' });
  const recent = makeTable(
    say('page.station.recent'),
    ['time', 'direction', 'from', 'to', 'by', 'outcome', 'lasted'].map((name) => say(`page.calls.${name}`)),
  );
  const popped = make('p', { role: 'status', class: 'hint' });
  const station = () => wanted.station || bound[0] || '';
  let number = 0;

  function choose(name, value) {
    wanted[name] = value.trim();
    note({ [name]: value.trim() });
    if (name === 'station') showAll();
  }
  const field = (name, more) =>
    makeField(
      name,
      say(`page.station.${name}`),
      name === 'station' ? station() : wanted[name],
      (value) => choose(name, value),
      more,
    );
  const stationField =
    bound.length === 1
      ? null
      : field(
          'station',
          bound.length
            ? { choices: bound.map((each) => [each, each]) }
            : { inputmode: 'numeric', autocomplete: 'off' },
        );
  root.append(
    make('h1', {}, say('page.view.station')),
    make('form', { class: 'fields', on: { submit: (event) => event.preventDefault() } }, stationField),
    problem.element,
    done,
    now_,
    buttons,
    make('h2', {}, say('page.station.calls')),
    calls,
    make(
      'details',
      { class: 'choices', open: Boolean(wanted.pop) },
      make('summary', {}, say('page.station.pop_title')),
      make('p', { class: 'hint' }, say('page.station.pop_help')),
      make(
        'div',
        { class: 'fields' },
        field('pop', { hint: 'https://crm.example.com/?q={number}' }),
        field('on', {
          choices: [
            ['call.ringing', say('page.station.at_ringing')],
            ['call.answered', say('page.station.at_answering')],
          ],
        }),
      ),
      make(
        'button',
        { type: 'button', on: { click: () => pop({ caller: {} }) } },
        say('page.station.pop_open'),
      ),
      popped,
    ),
    make('h2', {}, say('page.station.recent')),
    recent.element,
  );

  /** Have a button carry out a command; the line below says what became of it. */
  function makeButton(label, id, build, ...more) {
    if (!may(`commands.${id}`)) return null;
    const act = async () => {
      const args = build();
      if (args === null) return;
      button.disabled = true;
      try {
        await command(id, { deviceNumber: station(), ...args }, find()?.host);
        write(done, say('page.station.done', { what: label }));
        problem.show(null);
      } catch (error) {
        problem.show(error);
      }
      button.disabled = false;
    };
    const button = make('button', { type: 'button', 'data-command': id, on: { click: act } }, label);
    return make('span', { class: 'command' }, ...more, button);
  }

  const find = () => [...state.stations.values()].find((each) => each.station === station());

  function showAll() {
    const isKnown = Boolean(station());
    [now_, buttons, calls].forEach((each) => (each.hidden = !isKnown));
    if (!isKnown) write(done, say('page.station.choose'));
    showState();
    showButtons();
    showCalls();
    if (isKnown && may('calls.read')) loadRecent();
  }

  function showState() {
    const found = find();
    lamp.show(found?.state ?? 'unknown', found?.reason);
    now_.dataset.state = found?.state ?? 'unknown';
    now_.classList.toggle('stale', Boolean(found && findStale(found.host).length));
    tick();
  }

  function tick() {
    const found = find();
    write(time, found?.since ? since(found.since, nowOf(found.host)) : '');
  }

  let login = '';
  function showButtons() {
    const found = find();
    const mark = `${station()} ${found?.agent ?? ''} ${(found?.groups ?? []).join(' ')}`;
    if (login === mark) return; // who is choosing a reason is not disturbed
    login = mark;
    const of = (agentState, reasonCode) => () => ({
      agentId: found.agent,
      groupNumber: found.groups[0],
      agentState,
      reasonCode,
    });
    const reason = make(
      'select',
      { 'aria-label': say('page.station.reason') },
      REASONS.map((key) => make('option', { value: key }, nameOf(key))),
    );
    const dial = make('input', {
      type: 'tel',
      'aria-label': say('page.station.number'),
      placeholder: say('page.station.number'),
      autocomplete: 'off',
    });
    fill(
      buttons,
      found?.agent && found.groups?.length
        ? [
            makeButton(say('page.station.ready'), 'agent.state', of('dutyOn', '0')),
            makeButton(
              say('page.station.not_ready'),
              'agent.state',
              () => of('dutyOff', reason.value)(),
              reason,
            ),
          ]
        : null,
      makeButton(
        say('page.station.call'),
        'call.make',
        () => (dial.value.trim() ? { calledDN: dial.value.trim() } : (dial.focus(), null)),
        dial,
      ),
    );
  }

  const nameOf = (key) => (state.me.reasons[key] ? `${key} ${state.me.reasons[key]}` : key);
  const list = () => [...state.calls.values()].filter((call) => call.stations?.includes(station()));

  let drawn = '';
  let drawnIds = '';
  function showCalls() {
    const found = list();
    const ids = found.map((call) => call.id).join(' ');
    const mark = JSON.stringify([station(), found.map((call) => [call.id, call.call_refs, call.segments])]);
    const isTyping = calls.contains(document.activeElement) && document.activeElement.tagName === 'INPUT';
    if (drawn === mark || (isTyping && ids === drawnIds)) return; // who is about to act is not disturbed
    drawn = mark;
    drawnIds = ids;
    if (found.length === 0) showNothing(calls, say('page.station.no_call'));
    else fill(calls, found.map(makeCall));
  }

  function makeCall(call) {
    const mine = (call.segments ?? [])
      .filter((each) => each.station === station() && !each.until)
      .map((each) => each.kind);
    const ref = () => ({ callRefID: call.call_refs?.at(-1) });
    const target = make('input', {
      type: 'tel',
      'aria-label': say('page.station.transfer_to'),
      placeholder: say('page.station.transfer_to'),
      autocomplete: 'off',
    });
    const has = (...kinds) => kinds.some((kind) => mine.includes(kind));
    const isRinging = has('ring', 'recall');
    const isTalking = has('talk', 'conference');
    return make(
      'article',
      { class: 'tile call', 'data-call': call.id },
      make(
        'p',
        { class: 'route' },
        make(
          'a',
          { href: link('calls', { call: call.id }) },
          quote(nameCaller(call)),
          ' → ',
          quote(nameCalled(call)),
        ),
      ),
      make(
        'p',
        {},
        mine.map((kind) => word('page.segment', kind)).join(', ') || word('page.direction', call.direction),
      ),
      call.call_refs?.length
        ? make(
            'div',
            { class: 'actions' },
            isRinging ? makeButton(say('page.station.answer'), 'call.answer', ref) : null,
            isTalking ? makeButton(say('page.station.hold'), 'call.hold', ref) : null,
            has('hold') ? makeButton(say('page.station.retrieve'), 'call.retrieve', ref) : null,
            isTalking
              ? makeButton(
                  say('page.station.transfer'),
                  'call.transfer_single_step',
                  () =>
                    target.value.trim()
                      ? { ...ref(), transferDN: target.value.trim() }
                      : (target.focus(), null),
                  target,
                )
              : null,
            mine.length ? makeButton(say('page.station.clear'), 'call.clear', ref) : null,
          )
        : null,
    );
  }

  const loadRecent = atMostEvery(async () => {
    const mine = ++number;
    try {
      const { items } = await get('calls', { station: station(), limit: 20 });
      if (mine === number) recent.body.replaceChildren(...items.map(makeCallRow));
    } catch (error) {
      if (mine === number) problem.show(error);
    }
  }, NEWS_MILLISECONDS);

  function pop(call) {
    if (!wanted.pop) return;
    const url = makeUrl(wanted.pop, call);
    if (url === null) {
      write(popped, say('page.station.pop_wrong'));
      return;
    }
    const isOpen = openPop(url);
    fill(
      popped,
      say(isOpen ? 'page.station.popped' : 'page.station.pop_blocked'),
      ' ',
      make('a', { href: url, target: 'ipecs-mw-pop', rel: 'noopener' }, url),
    );
  }

  /** Open the pop for a call that just rang, or was answered, at this very station. */
  function popAll(ids) {
    const kinds = wanted.on === 'call.answered' ? ['talk'] : ['ring'];
    for (const id of ids) {
      const call = state.calls.get(id);
      const isHere = call?.segments?.some(
        (each) => each.station === station() && !each.until && kinds.includes(each.kind),
      );
      if (isHere && call.direction === 'inbound') pop(call);
    }
  }

  showAll();
  return {
    refresh(changes) {
      if (['stations', 'status', 'connection', 'hosts', 'loaded'].some((kind) => changes.has(kind))) {
        showState();
        showButtons();
      }
      if (changes.has('calls')) {
        showCalls();
        if (station() && may('calls.read') && [...changes.get('calls')].length) loadRecent();
      }
      popAll(changes.get(wanted.on) ?? []);
    },
    tick,
    close() {
      number += 1;
      loadRecent.cancel();
    },
  };
}
