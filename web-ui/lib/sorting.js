// The order of a list, as the query of the page's URL has it: `sort=size`, or `sort=-size` for the other way
// round.
import { adjust, route } from './route.js';

/** How names compare: `7.9` comes before `7.10`. */
export const order = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });

/** By what the list is sorted. */
export function sorting() {
  const sort = route.value.query.get('sort') ?? 'name';
  return { key: sort.replace(/^-/, ''), down: sort.startsWith('-') };
}

/** Sorts by a column, or the other way round if that was so already. @param {string} key */
export function sortBy(key) {
  const { key: before, down } = sorting();
  adjust({ sort: key === before && !down ? `-${key}` : key === 'name' ? null : key });
}
