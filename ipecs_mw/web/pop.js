// The browser pop: a URL template becomes the address of a call's record in any CRM, in a window of its own.

const FIELDS = {
  number: (call) => call.caller?.number,
  name: (call) => call.caller?.name,
  did: (call) => call.dialed?.did,
  group: (call) => call.dialed?.group ?? call.groups?.at(-1),
  station: (call) => call.answered_by?.station ?? call.stations?.at(-1),
  agent: (call) => call.answered_by?.agent,
  call: (call) => call.id,
};

/** Return the address for a call, `{number}` and its like filled in, encoded; null for no web address. */
export function makeUrl(template, call) {
  const text = template.replace(/\{(\w+)\}/g, (whole, name) =>
    name in FIELDS ? encodeURIComponent(FIELDS[name](call) ?? '') : whole,
  );
  try {
    const url = new URL(text);
    return ['http:', 'https:'].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

let opened = null;

/** Show an address in the window of the pop, which stays the same; tell whether the browser let it open. */
export function openPop(url) {
  if (opened && !opened.closed) opened.location.replace(url);
  else opened = window.open(url, 'ipecs-mw-pop');
  return opened !== null;
}
