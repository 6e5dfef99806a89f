// What is shown, kept in the address behind `#`: the view and its choices, so that a link is a wallboard.

const LASTING = ['lang'];

/** Return the view and its choices. */
export function read() {
  const [view, query] = location.hash.replace(/^#/, '').split('?', 2);
  return {
    view: decodeURIComponentSafely(view),
    choices: Object.fromEntries(new URLSearchParams(query ?? '')),
  };
}

function decodeURIComponentSafely(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Return the address of a view. Blank choices are left out; those that last stay from view to view. */
export function link(view, choices = {}) {
  const now = read().choices;
  const lasting = Object.fromEntries(LASTING.filter((name) => name in now).map((name) => [name, now[name]]));
  const all = Object.entries({ ...lasting, ...choices }).filter(([, value]) => value !== '' && value != null);
  const query = new URLSearchParams(all).toString();
  return `#${view}${query && `?${query}`}`;
}

/** Change choices of this view without a new entry in the history, and without showing the view anew. */
export function note(changes) {
  const { view, choices } = read();
  history.replaceState(null, '', link(view, { ...choices, ...changes }));
}
