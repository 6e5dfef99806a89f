// Words, numbers and times as the reader reads them. The words come from the language strings.

import { make } from '/web/dom.js';

let words = {};
let locale = 'en-GB';
let zones = {};
export let locales = [];

/** Load the words of a language; without one those that the browser wants. */
export async function load(wanted) {
  const answer = await fetch(`/web/words.json${wanted ? `?locale=${encodeURIComponent(wanted)}` : ''}`);
  ({ words, locale, locales } = await answer.json());
  document.documentElement.lang = locale;
}

/** Take over the time zones of the phone systems, by name. */
export function setZones(found) {
  zones = found;
}

export const getLocale = () => locale;
export const has = (key) => key in words;

/** Return the sentence of a key with its facts. */
export function say(key, facts = {}) {
  return (words[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) =>
    name in facts ? String(facts[name]) : whole,
  );
}

/** Return the word of a value, such as a state; one that there is no word for stands for itself. */
export const word = (family, value) =>
  has(`${family}.${value}`) ? say(`${family}.${value}`) : String(value ?? '');

const cached = new Map();

function formatter(kind, options) {
  const key = `${locale} ${kind.name} ${JSON.stringify(options)}`;
  if (!cached.has(key)) cached.set(key, new kind(locale, options));
  return cached.get(key);
}

export const count = (value) => formatter(Intl.NumberFormat, { maximumFractionDigits: 1 }).format(value);

/** Return a share as percent, rounded down: what is below a goal never reads as the goal. */
export const percent = (share) =>
  formatter(Intl.NumberFormat, { style: 'percent' }).format(Math.floor(share * 100 + 1e-9) / 100);

/** Return a length of time as a clock shows it: 0:07, 12:05, 1:02:03. */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (value) => String(value).padStart(2, '0');
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** Return how long ago something was, in words. */
export function ago(seconds) {
  const units = [
    ['day', 86400],
    ['hour', 3600],
    ['minute', 60],
    ['second', 1],
  ];
  const [unit, length] = units.find(([, size]) => seconds >= size) ?? units[3];
  return formatter(Intl.RelativeTimeFormat, { numeric: 'auto' }).format(-Math.floor(seconds / length), unit);
}

const STYLES = {
  time: { hour: '2-digit', minute: '2-digit', second: '2-digit' },
  minute: { hour: '2-digit', minute: '2-digit' },
  both: {
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  },
  day: { weekday: 'short', year: 'numeric', month: '2-digit', day: '2-digit' },
};

/** Return an instant in the reader's zone, or another. */
export function spell(instant, style = 'both', timeZone = undefined) {
  const found = new Date(instant);
  return Number.isNaN(found.getTime())
    ? ''
    : formatter(Intl.DateTimeFormat, { ...STYLES[style], timeZone }).format(found);
}

/** Return an instant as an element: in the reader's zone, with that of the phone system on hover. */
export function makeTime(instant, host, style = 'both') {
  if (!instant) return make('span', {}, '–');
  const zone = zones[host];
  const title = zone && say('page.time.of_host', { time: spell(instant, 'both', zone), zone, host });
  return make('time', { datetime: instant, title }, spell(instant, style));
}
