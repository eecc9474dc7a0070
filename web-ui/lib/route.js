// Where the page is: the fragment of its URL, so that every view can be linked, reloaded and gone back to.
import { signal } from '@preact/signals';
import { decoded } from './format.js';

/**
 * @typedef {object} Route
 * @property {string[]} path
 * @property {URLSearchParams} query
 */

/** @returns {Route} */
function read() {
  const [path, query = ''] = location.hash.replace(/^#\/?/, '').split('?', 2);
  const segments = path.split('/').filter(Boolean);
  return { path: segments.map(decoded), query: new URLSearchParams(query) };
}

/** @type {import('@preact/signals').Signal<Route>} */
export const route = signal(read());
addEventListener('hashchange', () => (route.value = read()));

/** @typedef {Record<string, string | null | undefined>} Query */

/**
 * The link to a view.
 * @param {string[]} path
 * @param {Query} [query] those without a value are left away
 */
export function href(path, query = {}) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value) parameters.set(name, value);
  const asked = parameters.toString();
  return `#/${path.map(encodeURIComponent).join('/')}${asked && `?${asked}`}`;
}

/** @param {string[]} path @param {Query} [query] */
export function go(path, query) {
  location.hash = href(path, query);
}

/**
 * Changes parts of the query and keeps the others.
 * @param {Query} changes
 * @param {{push?: boolean}} [how] with `push` the way back leads to what was before
 */
export function adjust(changes, { push = false } = {}) {
  // The URL may be newer than the last event about it: a link that was just followed must not be undone.
  const { path, query } = read();
  const next = href(path, { ...Object.fromEntries(query), ...changes });
  if (next === location.hash) return;
  if (push) {
    location.hash = next;
  } else {
    history.replaceState(history.state, '', next);
    route.value = read();
  }
}
