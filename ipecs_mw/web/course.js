// The course of a call: a bar for each party over time, and its steps in words beside it.

import { fill, make, quote } from '/web/dom.js';
import { makeTable, makeRow, nameCalled, nameCaller, nameGroup } from '/web/parts.js';
import { now } from '/web/state.js';
import { clock, makeTime, say, word } from '/web/words.js';

const WAITING = ['queue', 'park', 'transfer'];

/** Show a call in an element. */
export function showCourse(place, call) {
  const end = Date.parse(call.ended_at ?? new Date(now()).toISOString());
  const segments = [...(call.segments ?? [])].sort((a, b) => Date.parse(a.from) - Date.parse(b.from));
  const last = Math.max(end, ...segments.map((each) => Date.parse(each.until ?? 0) || 0));
  fill(
    place,
    showHead(call),
    showBars(segments, Date.parse(call.began_at), last),
    showSteps(call, segments),
    showDoubts(call),
  );
}

function showHead(call) {
  const outcome = call.is_open ? say('page.call.open') : word('page.outcome', call.outcome);
  return make(
    'p',
    { class: 'route' },
    word('page.direction', call.direction),
    ': ',
    quote(nameCaller(call)),
    ' → ',
    quote(nameCalled(call)),
    ' · ',
    make('span', { class: 'outcome', 'data-outcome': call.is_open ? 'open' : call.outcome }, outcome),
  );
}

/** Return who a segment is about: a station with its agent, or what the call itself waits in. */
function nameParty(segment) {
  if (WAITING.includes(segment.kind))
    return segment.kind === 'queue' ? nameGroup(segment.group) : word('page.segment', segment.kind);
  const station = segment.station ?? '';
  return segment.agent && segment.agent !== station
    ? say('page.call.party', { agent: segment.agent, station })
    : station;
}

function showBars(segments, begin, end) {
  const length = Math.max(end - begin, 1000);
  const lanes = Map.groupBy ? Map.groupBy(segments, nameParty) : groupBy(segments, nameParty);
  const rows = [...lanes].map(([party, parts]) => {
    const track = make('div', { class: 'track' });
    for (const part of parts) {
      const from = Date.parse(part.from);
      const until = Date.parse(part.until ?? '') || end;
      const name = say('page.call.bar', {
        what: word('page.segment', part.kind),
        seconds: clock((until - from) / 1000),
      });
      const bar = make(
        'span',
        { class: 'bar', 'data-kind': part.kind, title: name },
        make('span', {}, word('page.segment', part.kind)),
      );
      bar.style.left = `${((from - begin) / length) * 100}%`;
      bar.style.width = `${(Math.max(until - from, 0) / length) * 100}%`;
      track.append(bar);
    }
    return make('div', { class: 'lane' }, make('div', { class: 'party' }, quote(party)), track);
  });
  return make(
    'figure',
    { class: 'course', 'aria-hidden': 'true' },
    rows,
    make('figcaption', {}, '0:00', make('span', {}, clock(length / 1000))),
  );
}

function groupBy(items, name) {
  const groups = new Map();
  for (const item of items) groups.set(name(item), [...(groups.get(name(item)) ?? []), item]);
  return groups;
}

function showSteps(call, segments) {
  const ended = call.ended_by ? say('cli.call.ended_by', { who: call.ended_by }) : say('cli.call.ends');
  const isAfter = (each) => each.kind === 'wrap_up';
  const steps = [
    [
      call.began_at,
      say(`cli.call.begins.${call.direction ?? 'unknown'}`, {
        caller: nameCaller(call),
        called: nameCalled(call),
      }),
      '',
      '',
    ],
    ...segments.filter((each) => !isAfter(each)).map(describe),
    call.is_open ? [null, say('cli.call.lasts'), '', ''] : [call.ended_at, ended, '', ''],
    ...segments.filter(isAfter).map(describe),
  ];
  const rows = steps.map(([at, ...texts]) => makeRow([makeTime(at, call.host, 'time'), ...texts]));
  const heads = [
    say('page.calls.time'),
    say('cli.call.happened'),
    say('page.call.result'),
    say('page.calls.lasted'),
  ];
  return makeTable(say('cli.call.happened'), heads, rows).element;
}

/** Return a segment as a step: when, what, how it ended, how long. */
function describe(segment) {
  const words = say(`cli.call.step.${segment.kind}`, {
    who: segment.station ?? '',
    group: nameGroup(segment.group),
  });
  const seconds =
    (Date.parse(segment.until ?? new Date(now()).toISOString()) - Date.parse(segment.from)) / 1000;
  return [segment.from, words, segment.result ? word('cli.call.result', segment.result) : '', clock(seconds)];
}

function showDoubts(call) {
  return call.quality?.is_complete === false
    ? make('p', { class: 'notice' }, '⚠ ', say('page.call.incomplete'))
    : null;
}
