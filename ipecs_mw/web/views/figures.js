// Figures: a day, a week, a month; curves of calls and service level, the numbers below them, their formulas.

import { note } from '/web/address.js';
import { fill, make, quote } from '/web/dom.js';
import {
  aimCsvLink,
  atMostEvery,
  makeCsvLink,
  makeField,
  makeProblem,
  makeTable,
  nameGroup,
  nameReason,
  showNothing,
} from '/web/parts.js';
import { get } from '/web/server.js';
import { state } from '/web/state.js';
import { clock, count, getLocale, has, makeTime, percent, say, spell } from '/web/words.js';

const PERIODS = {
  today: '1h',
  yesterday: '1h',
  'this-week': '1d',
  'last-week': '1d',
  'this-month': '1d',
  'last-month': '1d',
};
const NEWS_MILLISECONDS = 15_000;
const READ = {
  count: (value) => count(value),
  seconds: (value) => clock(value),
  share: (value) => percent(value),
};
/** Columns: name of the language string, path in a row, unit, name of the formula. */
const COLUMNS = {
  queues: [
    ['offered', 'offered', 'count'],
    ['answered', 'answered', 'count'],
    ['abandoned', 'abandoned', 'count'],
    ['short', 'short', 'count'],
    ['service_level', 'service_level.value', 'share', 'level'],
    ['asa', 'asa_seconds', 'seconds', 'asa_seconds'],
    ['longest_wait', 'longest_wait_seconds', 'seconds'],
    ['aht', 'aht_seconds', 'seconds', 'aht_seconds'],
  ],
  agents: [
    ['answered', 'answered', 'count'],
    ['no_answer', 'no_answer', 'count'],
    ['aht', 'aht_seconds', 'seconds', 'aht_seconds'],
    ['talk', 'states.talking', 'seconds'],
    ['hold', 'states.holding', 'seconds'],
    ['wrap_up', 'states.wrap_up', 'seconds'],
    ['ready', 'states.ready', 'seconds'],
    ['not_ready', 'states.not_ready', 'seconds'],
    ['occupancy', 'occupancy', 'share', 'occupancy'],
  ],
};
const CURVES = [
  ['offered', '--curve-offered', []],
  ['answered', '--curve-answered', [8, 4]],
  ['abandoned', '--curve-abandoned', [2, 3]],
];

export function open(root, choices) {
  const wanted = { what: 'queues', period: 'today', ...choices };
  const problem = makeProblem();
  const csv = makeCsvLink();
  const chart = make('div', { class: 'chart' });
  const place = make('div', {});
  const notes = make('p', { class: 'hint' });
  let plot = null;
  let rows = [];
  let number = 0;

  function choose(name, value) {
    wanted[name] = value.trim();
    note({ [name]: value.trim() });
    load();
  }
  const host = () => wanted.host || state.me.hosts[0]?.name;
  const words = (family, values) => values.map((each) => [each, say(`page.figures.${family}.${each}`)]);
  root.append(
    make('h1', {}, say('page.view.figures')),
    make(
      'form',
      { class: 'fields', on: { submit: (event) => event.preventDefault() } },
      makeField('what', say('page.figures.what'), wanted.what, (value) => choose('what', value), {
        choices: words('of', ['queues', 'agents']),
      }),
      makeField('period', say('page.figures.period'), wanted.period, (value) => choose('period', value), {
        choices: words('in', Object.keys(PERIODS)),
      }),
      state.me.hosts.length > 1
        ? makeField('host', say('figures.column.host'), host(), (value) => choose('host', value), {
            choices: state.me.hosts.map(({ name }) => [name, name]),
          })
        : null,
      makeField('group', say('page.calls.group'), wanted.group, (value) => choose('group', value), {
        type: 'search',
      }),
      makeField('agent', say('page.calls.agent'), wanted.agent, (value) => choose('agent', value), {
        type: 'search',
      }),
    ),
    make('p', { class: 'actions' }, csv),
    problem.element,
    chart,
    place,
    notes,
  );

  const interval = () => PERIODS[wanted.period] ?? '1d';
  const question = () => ({
    period: wanted.period,
    interval: interval(),
    host: host(),
    group: wanted.group,
    agent: wanted.what === 'agents' ? wanted.agent : '',
  });

  async function load() {
    const mine = ++number;
    const path = `figures/${wanted.what === 'agents' ? 'agents' : 'queues'}`;
    aimCsvLink(csv, path, question());
    try {
      const found = await get(path, question());
      if (mine !== number) return;
      rows = found.items;
      problem.show(null);
      showTable(found.total);
      await showChart();
    } catch (error) {
      if (mine === number) problem.show(error);
    }
  }

  function showTable(total) {
    if (rows.length === 0) {
      showNothing(place, say('page.figures.none'));
      fill(notes);
      return;
    }
    const columns = COLUMNS[wanted.what] ?? COLUMNS.queues;
    const who = wanted.what === 'agents' ? 'agent' : 'group';
    const heads = [
      say('figures.column.from'),
      say(`figures.column.${who}`),
      ...columns.map((column) => makeHead(column, rows)),
    ];
    const cells = (row) =>
      columns.map(([, path, unit]) => make('td', { class: 'number' }, showValue(read(row, path), unit)));
    const lines = rows.map((row) =>
      make(
        'tr',
        { class: row.is_complete === false ? 'open' : '' },
        make(
          'td',
          {},
          makeTime(row.from, row.host ?? host(), interval() === '1d' ? 'day' : 'minute'),
          row.is_complete === false
            ? make(
                'span',
                { class: 'mark', title: say('page.figures.incomplete') },
                ' ≈',
                make('span', { class: 'hidden' }, say('page.figures.incomplete')),
              )
            : null,
        ),
        make('td', {}, quote(who === 'group' ? nameGroup(row.group) : (row.agent ?? ''))),
        cells(row),
      ),
    );
    if (total)
      lines.push(
        make(
          'tr',
          { class: 'total' },
          make('td', {}, say('page.figures.total')),
          make('td', {}),
          cells(total),
        ),
      );
    fill(place, makeTable(say('page.view.figures'), heads, lines).element);
    const incomplete = rows.some((row) => row.is_complete === false);
    fill(
      notes,
      incomplete ? `≈ ${say('page.figures.incomplete')} ` : '',
      say('page.figures.zone', {
        zone: state.me.hosts.find((each) => each.name === host())?.timezone ?? 'UTC',
      }),
    );
  }

  async function showChart() {
    chart.hidden = wanted.what === 'agents' || rows.length === 0;
    plot?.destroy();
    plot = null;
    if (chart.hidden) return;
    const { default: Plot } = await import('/web/vendor/uPlot.esm.js');
    const data = addUp(rows);
    const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    const axis = {
      stroke: color('--text'),
      grid: { stroke: color('--line'), width: 1 },
      ticks: { stroke: color('--line'), width: 1 },
      font: '13px system-ui',
    };
    const style = interval() === '1d' ? 'day' : 'minute';
    plot?.destroy();
    fill(chart);
    plot = new Plot(
      {
        width: Math.max(chart.clientWidth, 280),
        height: 280,
        cursor: { drag: { setScale: false } },
        scales: { share: { range: [0, 1] }, y: { range: (_, low, high) => [0, Math.max(high || 0, 4)] } },
        axes: [
          {
            ...axis,
            values: (_, splits) =>
              splits.map((each) => spell(each * 1000, style).replace(/[ ,]*\d{4}[ ,]*/, ' ')),
            space: 90,
          },
          {
            ...axis,
            values: (_, splits) => splits.map((each) => (Number.isInteger(each) ? count(each) : '')),
          },
          {
            ...axis,
            scale: 'share',
            side: 1,
            size: 60,
            grid: { show: false },
            values: (_, splits) => splits.map(percent),
          },
        ],
        series: [
          {
            label: say('figures.column.from'),
            value: (_, value) => (value == null ? '–' : spell(value * 1000, style)),
          },
          ...CURVES.map(([name, variable, dash]) => ({
            label: say(`figures.column.${name}`),
            stroke: color(variable),
            width: 2,
            dash,
            points: { show: true },
            value: (_, value) => (value == null ? '–' : count(value)),
          })),
          {
            label: say('figures.column.service_level'),
            scale: 'share',
            stroke: color('--curve-level'),
            width: 2,
            dash: [12, 3, 2, 3],
            spanGaps: true,
            points: { show: true },
            value: (_, value) => (value == null ? '–' : percent(value)),
          },
        ],
      },
      data,
      chart,
    );
  }

  const news = atMostEvery(() => load(), NEWS_MILLISECONDS);
  const resize = new ResizeObserver(
    () => plot && plot.setSize({ width: Math.max(chart.clientWidth, 280), height: 280 }),
  );
  resize.observe(root);
  load();
  return {
    refresh: (changes) => changes.has('figures') && news(),
    close() {
      number += 1;
      news.cancel();
      resize.disconnect();
      plot?.destroy();
    },
  };
}

/** Return the curves: of each interval the sums over all groups, the service level over what was offered. */
function addUp(rows) {
  const sums = new Map();
  for (const row of rows) {
    const at = Date.parse(row.from) / 1000;
    const sum = sums.get(at) ?? { offered: 0, answered: 0, abandoned: 0, met: 0, weight: 0 };
    for (const [name] of CURVES) sum[name] += row[name] ?? 0;
    const share = row.service_level?.value;
    if (share !== undefined && share !== null) {
      sum.met += share * (row.offered ?? 0);
      sum.weight += row.offered ?? 0;
    }
    sums.set(at, sum);
  }
  const times = [...sums.keys()].sort((a, b) => a - b);
  const pick = (read_) => times.map((at) => read_(sums.get(at)));
  return [
    times,
    ...CURVES.map(([name]) => pick((sum) => sum[name])),
    pick((sum) => (sum.weight ? sum.met / sum.weight : null)),
  ];
}

const read = (row, path) => path.split('.').reduce((value, name) => value?.[name], row);
const showValue = (value, unit) => (value === undefined || value === null ? '–' : READ[unit](value));

/** Return the head of a column; one that is computed says how on hover, and to who listens. */
function makeHead([name, , , formula], rows) {
  const label = say(`figures.column.${name}`);
  const level = rows.find((row) => row.service_level)?.service_level;
  const key =
    formula === 'level' ? `figures.formula.${level?.formula ?? 'offered'}` : `figures.formula.${formula}`;
  if (!formula || !has(key)) return label;
  const words =
    formula === 'level'
      ? say('page.figures.level', { formula: say(key), seconds: level?.threshold_seconds ?? '?' })
      : say(key);
  return make(
    'span',
    { class: 'formula', tabindex: '0', title: words, 'aria-label': `${label}: ${words}` },
    label,
  );
}
