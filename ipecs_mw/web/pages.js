// A list that is read page by page: what comes late, or after the end, is left aside.

import { aimCsvLink } from '/web/parts.js';
import { get } from '/web/server.js';

const ITEMS = 100;
const CSV_ITEMS = 500;

// `ask` gives the query, `show` shows all `items` that were read, `csv` is the link to them as a table.
export function makePages(path, { ask, show, problem, csv }) {
  let cursor = '';
  let number = 0;
  const pages = {
    items: [],
    hasMore: false,
    async load(isMore = false) {
      const mine = ++number;
      const query = ask();
      aimCsvLink(csv, path, { ...query, limit: CSV_ITEMS });
      try {
        const page = await get(path, { ...query, cursor: isMore ? cursor : '', limit: ITEMS });
        if (mine !== number) return;
        pages.items = isMore ? [...pages.items, ...page.items] : page.items;
        pages.hasMore = page.next !== null;
        cursor = page.next ?? '';
        problem.show(null);
        show();
      } catch (error) {
        if (mine === number) problem.show(error);
      }
    },
    // Whether news may be read: who has gone on to further pages would lose them.
    get isFirst() {
      return pages.items.length <= ITEMS;
    },
    end() {
      number += 1;
    },
  };
  return pages;
}
