// Elements. Whatever comes from outside is put in as text, never as markup.

const LONG = /\S{25}/; // a word that has to be broken

/** Return a new element. `on` holds listeners, `class` its classes; null and undefined children are left out. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'on') {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (value === true) {
      element.setAttribute(name, '');
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, value);
    }
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** Put a text into an element, unless it is there: the browser then has nothing to paint. */
export function write(element, text) {
  if (element.textContent !== String(text)) element.textContent = text;
}

/** Put children into an element in place of those that it has. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined));
}

/** Put children in this order and take out all others, moving none that is in its place. */
export function arrange(element, children) {
  children.forEach((child, index) => {
    if (element.children[index] !== child) element.insertBefore(child, element.children[index] ?? null);
  });
  while (element.children.length > children.length) element.lastElementChild.remove();
}

/** Return a text of somebody else: whatever way it is written in, it does not turn round what stands beside it. */
export function quote(text) {
  const words = String(text ?? '');
  return make('bdi', { class: LONG.test(words) ? 'quoted long' : 'quoted' }, words);
}
