// The wall: who waits in each group, how well today goes, what each agent does; to be read from across a room.

import { note } from '/web/address.js';
import { arrange, make, quote, write } from '/web/dom.js';
import { STATES, atMostEvery, makeField, makeState, nameGroup } from '/web/parts.js';
import { get } from '/web/server.js';
import { findStale, may, nowOf, state } from '/web/state.js';
import { clock, count, percent, say, word } from '/web/words.js';

const FIGURES_MILLISECONDS = 15_000;
const SHOWN = 'ipecs-mw shown'; // for who measures
const DEFAULTS = { wait: '60', calls: '5' };

export function open(root, choices) {
  const wanted = { ...DEFAULTS, ...choices };
  const groups = new Map();
  const agents = new Map();
  let today = new Map();
  const groupGrid = make('div', { class: 'groups' });
  const agentGrid = make('div', { class: 'agents' });
  const empty = make('p', { class: 'nothing' });
  const agentPart = make('section', {}, make('h2', {}, say('page.wall.agents')), agentGrid);

  function choose(name, value) {
    wanted[name] = value;
    note({ [name]: value === DEFAULTS[name] ? '' : value });
    showAll();
  }

  const field = (name, type, more) =>
    makeField(name, say(`page.wall.choice.${name}`), wanted[name], (value) => choose(name, value), {
      type,
      ...more,
    });
  root.append(
    make(
      'div',
      { class: 'head' },
      make('h1', {}, say('page.view.wall')),
      make('button', { type: 'button', class: 'full', on: { click: toggleFull } }, say('page.wall.full')),
    ),
    make(
      'details',
      { class: 'choices' },
      make('summary', {}, say('page.wall.choices')),
      make(
        'div',
        { class: 'fields' },
        field('groups', 'text', { hint: say('page.wall.choice.all') }),
        field('agents', 'text', {
          choices: [
            ['', say('page.yes')],
            ['no', say('page.no')],
          ],
        }),
        field('goal', 'number', { min: 1, max: 100, hint: say('page.wall.choice.configured') }),
        field('wait', 'number', { min: 1, max: 3600 }),
        field('calls', 'number', { min: 1, max: 999 }),
      ),
    ),
    empty,
    groupGrid,
    agentPart,
  );

  function toggleFull() {
    if (document.fullscreenElement) document.exitFullscreen();
    else document.documentElement.requestFullscreen();
  }

  /** Return the goal of a group in percent: that of the address, else that of the configuration. */
  const findGoal = (group) =>
    Number(wanted.goal) || (state.me.goals_percent[group] ?? state.me.goal_percent);

  /** Return the groups that are wanted, in the order of the address. */
  function listGroups() {
    const known = [...state.queues.values()];
    const names = (wanted.groups ?? '').split(/[\s,]+/).filter(Boolean);
    if (names.length === 0)
      return known.sort(
        (a, b) =>
          a.host.localeCompare(b.host) || a.group.localeCompare(b.group, undefined, { numeric: true }),
      );
    return names.flatMap((name) =>
      known.filter((each) => each.group === name || `${each.host}:${each.group}` === name),
    );
  }

  function listAgents(shown) {
    const names = new Set(shown.map((each) => `${each.host}:${each.group}`));
    const isNarrow = Boolean(wanted.groups);
    const order = (each) => STATES.indexOf(each.state) + 1 || 99;
    return [...state.agents.values()]
      .filter((each) => !isNarrow || (each.groups ?? []).some((group) => names.has(`${each.host}:${group}`)))
      .sort(
        (a, b) =>
          String(a.agent).localeCompare(String(b.agent), undefined, { numeric: true }) || order(a) - order(b),
      );
  }

  function showAll() {
    const shown = listGroups();
    arrange(
      groupGrid,
      shown.map((each) => keep(groups, each, makeGroup).element),
    );
    const people = wanted.agents === 'no' ? [] : listAgents(shown);
    arrange(
      agentGrid,
      people.map((each) => keep(agents, each, makeAgent).element),
    );
    agentPart.hidden = people.length === 0;
    if (shown.length && !performance.getEntriesByName(SHOWN).length) performance.mark(SHOWN);
    empty.hidden = shown.length > 0;
    write(
      empty,
      say(
        state.isLoaded ? (wanted.groups ? 'page.wall.no_such_group' : 'page.wall.nothing') : 'page.loading',
      ),
    );
    drop(groups, state.queues);
    drop(agents, state.agents);
  }

  function keep(tiles, document, build) {
    if (!tiles.has(document.id)) tiles.set(document.id, build(document.id));
    const tile = tiles.get(document.id);
    tile.show();
    return tile;
  }

  function drop(tiles, known) {
    for (const id of tiles.keys()) if (!known.has(id)) tiles.delete(id);
  }

  function makeGroup(id) {
    const name = make('h2', {});
    const stale = make('p', { class: 'old' });
    const waiting = make('span', { class: 'big' });
    const longest = make('span', { class: 'big' });
    const level = make('span', { class: 'big' });
    const meter = make('meter', { min: 0, max: 1, 'aria-label': say('figures.column.service_level') });
    const mark = make('span', { class: 'goal' });
    const gauge = make('div', { class: 'gauge' }, meter, mark);
    const sums = make('p', { class: 'sums' });
    const people = make('p', { class: 'people' });
    const warning = make('p', { class: 'warning' });
    const fact = (label, value) =>
      make('div', { class: 'fact' }, make('span', { class: 'label' }, label), value);
    const element = make(
      'article',
      { class: 'tile group' },
      name,
      stale,
      make(
        'div',
        { class: 'facts' },
        fact(say('page.wall.waiting'), waiting),
        fact(say('page.wall.longest'), longest),
        fact(say('page.wall.level'), level),
      ),
      gauge,
      sums,
      people,
      warning,
    );
    const signs = new Map();

    function show() {
      const queue = state.queues.get(id);
      if (!queue) return;
      if (name.textContent !== nameGroup(queue.group)) name.replaceChildren(quote(nameGroup(queue.group)));
      const isStale = findStale(queue.host).length > 0;
      element.classList.toggle('stale', isStale);
      write(stale, isStale ? say('page.stale.short') : '');
      write(waiting, count(queue.waiting ?? 0));
      showFigures(today.get(`${queue.host}:${queue.group}`), findGoal(queue.group));
      showPeople(queue.agents ?? {});
      tick();
    }

    function showFigures(row, goal) {
      const share = row?.service_level?.value;
      write(level, share === undefined || share === null ? '–' : percent(share));
      gauge.hidden = share === undefined || share === null;
      if (!gauge.hidden) {
        Object.assign(meter, { value: share, low: goal / 100, high: goal / 100, optimum: 1 });
        meter.textContent = percent(share);
        meter.title = mark.title = say('page.wall.goal', { goal });
        mark.style.left = `${goal}%`;
      }
      write(
        sums,
        row
          ? say('page.wall.today', {
              offered: count(row.offered ?? 0),
              answered: count(row.answered ?? 0),
              abandoned: count(row.abandoned ?? 0),
            })
          : '',
      );
    }

    function showPeople(counts) {
      const present = STATES.filter((each) => counts[each]);
      const chips = present.map((each) => {
        if (!signs.has(each)) signs.set(each, Object.assign(makeState(), { number: make('b', {}) }));
        const sign = signs.get(each);
        sign.show(each);
        write(sign.number, ` ${count(counts[each])}`);
        sign.element.append(sign.number);
        return sign.element;
      });
      if (chips.length) arrange(people, chips);
      else write(people, say('page.wall.nobody'));
    }

    function tick() {
      const queue = state.queues.get(id);
      if (!queue) return;
      const seconds = queue.longest_wait_since
        ? (nowOf(queue.host) - Date.parse(queue.longest_wait_since)) / 1000
        : 0;
      write(longest, queue.longest_wait_since ? clock(seconds) : '–');
      longest.classList.toggle('long', longest.textContent.length > 5);
      const share = today.get(`${queue.host}:${queue.group}`)?.service_level?.value;
      const isLong = queue.longest_wait_since && seconds >= Number(wanted.wait);
      const isMany = (queue.waiting ?? 0) >= Number(wanted.calls);
      const goal = findGoal(queue.group);
      const isBelow = share !== undefined && share !== null && share < goal / 100;
      const told = [
        isLong && 'page.wall.too_long',
        isMany && 'page.wall.too_many',
        isBelow && 'page.wall.below',
      ].filter(Boolean);
      write(warning, told.length ? `▲ ${told.map((key) => say(key, { ...wanted, goal })).join(' · ')}` : '');
      element.classList.toggle('alert', Boolean(isLong || isMany));
      element.classList.toggle('below', isBelow);
    }

    return { element, show, tick };
  }

  function makeAgent(id) {
    const name = make('b', {});
    const lamp = makeState();
    const time = make('span', { class: 'time' });
    const element = make('article', { class: 'tile agent' }, name, lamp.element, time);

    function show() {
      const agent = state.agents.get(id);
      if (!agent) return;
      const text = agent.agent ?? agent.station;
      if (name.textContent !== text) name.replaceChildren(quote(text));
      lamp.show(agent.state, agent.reason);
      element.dataset.state = agent.state;
      element.classList.toggle('stale', findStale(agent.host).length > 0);
      tick();
    }

    function tick() {
      const agent = state.agents.get(id);
      if (agent?.since) write(time, clock((nowOf(agent.host) - Date.parse(agent.since)) / 1000));
    }

    return { element, show, tick };
  }

  /** Return what to ask for today's figures: each phone system by its own day, each group of the token. */
  function listQuestions() {
    const bound = state.me.scope?.groups ?? [undefined];
    return state.me.hosts.flatMap(({ name }) => bound.map((group) => ({ host: name, group })));
  }

  const loadFigures = atMostEvery(async () => {
    if (!may('figures.read')) return;
    try {
      const answers = await Promise.all(
        listQuestions().map(async ({ host, group }) => {
          const { items } = await get('figures/queues', { period: 'today', host, group });
          return items.map((row) => [`${host}:${row.group}`, row]);
        }),
      );
      today = new Map(answers.flat());
      showAll();
    } catch {
      // the frame says that the server is away; today's figures stay as they were
    }
  }, FIGURES_MILLISECONDS);

  loadFigures();
  showAll();
  return {
    refresh(changes) {
      if (
        ['queues', 'agents'].some((kind) => hasNew(changes.get(kind), kind)) ||
        ['loaded', 'connection', 'status', 'hosts'].some((kind) => changes.has(kind))
      ) {
        showAll();
      } else {
        for (const id of changes.get('queues') ?? []) groups.get(id)?.show();
        for (const id of changes.get('agents') ?? []) agents.get(id)?.show();
      }
      if (changes.has('figures') || changes.has('loaded')) loadFigures();
    },
    tick() {
      for (const tile of groups.values()) tile.tick();
      for (const tile of agents.values()) tile.tick();
    },
    close: loadFigures.cancel,
  };

  /** Tell whether a tile has to come or to go. */
  function hasNew(ids, kind) {
    const tiles = kind === 'queues' ? groups : agents;
    return [...(ids ?? [])].some((id) => tiles.has(id) !== state[kind].has(id));
  }
}
