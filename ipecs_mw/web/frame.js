// What stands around every view: where one can go, what is amiss, who is signed in.

import { link, read } from '/web/address.js';
import { arrange, fill, make, write } from '/web/dom.js';
import { findStale, listHosts, may, now, state, watch } from '/web/state.js';
import { getLocale, locales, makeTime, say, word } from '/web/words.js';

const VIEWS = [
  ['wall', 'state.read'],
  ['calls', 'calls.read'],
  ['missed', 'calls.read'],
  ['figures', 'figures.read'],
  ['station', 'state.read'],
  ['system', 'state.read'],
];
const WRONG_CLOCK_MILLISECONDS = 60_000;

/** Show the frame with the view of the address. Returns `showView`, for another address, and `close`. */
export function showFrame(signOut) {
  const links = new Map(
    VIEWS.filter(([, right]) => may(right)).map(([name]) => [
      name,
      make('a', { href: link(name) }, say(`page.view.${name}`)),
    ]),
  );
  const notices = make('div', { class: 'notices', role: 'status' });
  const place = make('main', { id: 'view', tabindex: '-1' });
  const languages = make(
    'select',
    {
      id: 'lang',
      on: {
        change: (event) =>
          (location.hash = link(read().view, { ...read().choices, lang: event.target.value })),
      },
    },
    locales.map((each) =>
      make('option', { value: each, selected: each === getLocale() }, nameLanguage(each)),
    ),
  );
  let view = null;
  let number = 0;

  async function showView() {
    const mine = ++number;
    const { view: wanted, choices } = read();
    const name = wanted || [...links.keys()][0];
    view?.close?.();
    view = null;
    for (const [each, element] of links) {
      element.setAttribute('href', link(each));
      if (each === name) element.setAttribute('aria-current', 'page');
      else element.removeAttribute('aria-current');
    }
    document.body.dataset.view = name;
    if (!links.has(name)) {
      const isKnown = links.size === 0 || VIEWS.some(([each]) => each === name);
      const words = say(isKnown ? 'page.view.no_right' : 'page.view.unknown', { view: name });
      fill(place, make('h1', {}, say('page.view.none')), make('p', {}, words));
      return;
    }
    document.title = `${say(`page.view.${name}`)} · ipecs-mw`;
    const { open } = await import(`/web/views/${name}.js`);
    if (mine !== number) return;
    const root = make('section', { class: name });
    fill(place, root);
    view = open(root, choices) ?? {};
  }

  const lines = new Map();

  /** Say what is amiss, each thing once and for as long as it is so. */
  function showNotices() {
    const wanted = [];
    const tell = (key, ...children) => {
      if (!lines.has(key))
        lines.set(
          key,
          make(
            'p',
            { class: 'notice' },
            make('span', { class: 'sign', 'aria-hidden': 'true' }, '⚠'),
            make('span', {}),
          ),
        );
      const text = lines.get(key).lastElementChild;
      const words = make('span', {}, ...children);
      if (text.textContent !== words.textContent) fill(text, words);
      wanted.push(lines.get(key));
    };
    if (state.lostAt) {
      tell(
        'lost',
        say(state.isFull ? 'page.stale.full' : 'page.stale.lost'),
        ' ',
        makeTime(new Date(state.lostAt).toISOString(), '', 'time'),
        '. ',
        say('page.stale.was'),
      );
    } else {
      for (const host of listHosts()) {
        const reasons = findStale(host);
        if (reasons.length === 0 || !may('state.read')) continue;
        const told = state.status?.hosts?.find((each) => each.host === host);
        const sentences = reasons.map((reason) => word('page.stale', reason)).join(' ');
        tell(
          `host ${host}`,
          make('bdi', {}, host),
          ': ',
          sentences,
          ' ',
          say('page.stale.heard'),
          ' ',
          makeTime(told?.heard_at, host),
          '. ',
          say('page.stale.was'),
        );
      }
    }
    if (Math.abs(state.skew) > WRONG_CLOCK_MILLISECONDS) tell('clock', say('page.stale.clock'));
    arrange(notices, wanted);
    document.body.classList.toggle('lost', Boolean(state.lostAt));
  }

  const tick = setInterval(() => view?.tick?.(now()), 1000);
  const unwatch = watch((changes) => {
    if (['connection', 'status', 'hosts', 'clock'].some((kind) => changes.has(kind))) showNotices();
    view?.refresh?.(changes);
  });
  fill(
    document.body,
    make(
      'a',
      { class: 'skip', href: '#view', on: { click: (event) => (event.preventDefault(), place.focus()) } },
      say('page.skip'),
    ),
    make(
      'header',
      {},
      make('strong', { class: 'brand' }, 'ipecs-mw'),
      make('nav', { 'aria-label': say('page.navigation') }, [...links.values()]),
      make('label', { class: 'hidden', for: 'lang' }, say('page.language')),
      languages,
      make('span', { class: 'who' }, make('bdi', {}, state.me.token)),
      make('button', { id: 'sign-out', type: 'button', on: { click: signOut } }, say('page.sign_out')),
    ),
    notices,
    place,
  );
  showNotices();
  showView();
  return {
    showView,
    close() {
      number += 1;
      clearInterval(tick);
      unwatch();
      view?.close?.();
    },
  };
}

function nameLanguage(locale) {
  return new Intl.DisplayNames([locale], { type: 'language' }).of(locale.split('-')[0]) ?? locale;
}
