// A table of any number of rows of one height. Only rows near the window are in the page.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { text } from '../text.js';
import { html } from './html.js';

/** Rows that are drawn beyond the edges of the window, so that scrolling finds them there. */
const BEYOND = 8;

/**
 * @typedef {object} Column
 * @property {string} key also its class, by which styles give it width and place
 * @property {string} label
 * @property {boolean} [hidden] the label is for screen readers only
 * @property {boolean} [sorts]
 */

/**
 * @param {{label: string, columns: Column[], count: number, rowHeight: number, row: (index: number) => any, keyOf: (index: number) => any, className?: string,
 *   sort?: {key: string, down: boolean}, onSort?: (key: string) => void, onRange?: (first: number, end: number) => void}} props
 * `row` gives the cells of a row; the element that arrow keys move to is marked with `data-row`.
 */
export function Table({ label, columns, count, rowHeight, row, keyOf, className = '', sort, onSort, onRange }) {
  const body = useRef(/** @type {HTMLTableSectionElement | null} */ (null));
  const [range, setRange] = useState({ first: 0, end: 40 });
  // The row that has the focus stays in the page wherever the window is, so that the focus is not lost.
  const [held, setHeld] = useState(-1);
  const wanted = useRef(-1);

  useLayoutEffect(() => {
    const measure = () => {
      if (!body.current) return;
      const top = -body.current.getBoundingClientRect().top;
      const first = Math.max(0, Math.floor(top / rowHeight) - BEYOND);
      const end = Math.min(count, Math.max(0, Math.ceil((top + innerHeight) / rowHeight)) + BEYOND);
      setRange((before) => (before.first === first && before.end === end ? before : { first, end }));
    };
    measure();
    addEventListener('scroll', measure, { passive: true });
    addEventListener('resize', measure);
    // What stands above may grow and shrink.
    const page = new ResizeObserver(measure);
    page.observe(document.body);
    return () => {
      page.disconnect();
      removeEventListener('scroll', measure);
      removeEventListener('resize', measure);
    };
  }, [count, rowHeight]);
  useEffect(() => onRange?.(range.first, range.end), [range, onRange]);
  // At once, before an effect of an earlier drawing that lacks this row.
  useLayoutEffect(() => {
    if (wanted.current < 0) return;
    const link = /** @type {HTMLElement | null} */ (body.current?.querySelector(`[aria-rowindex="${wanted.current + 2}"] [data-row]`));
    wanted.current = -1;
    link?.focus();
  });

  /** @param {KeyboardEvent} event */
  const onKeyDown = (event) => {
    if (!(event.target instanceof HTMLElement) || !event.target.matches('[data-row]')) return;
    const here = indexOf(event.target);
    const page = Math.max(1, Math.floor(innerHeight / rowHeight) - 4);
    const steps = /** @type {Record<string, number>} */ ({ ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -count, End: count });
    const step = steps[event.key];
    if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    wanted.current = Math.min(count - 1, Math.max(0, here + step));
    setHeld(wanted.current);
  };

  const shown = [];
  for (let at = range.first; at < Math.min(range.end, count); at += 1) shown.push(at);
  if (held >= 0 && held < count && !shown.includes(held)) {
    if (held < range.first) shown.unshift(held);
    else shown.push(held);
  }
  const lines = [];
  let next = 0;
  for (const index of shown) {
    if (index > next) lines.push(html`<${Gap} key=${`gap${lines.length ? 1 : 0}`} height=${(index - next) * rowHeight} columns=${columns.length} />`);
    lines.push(html`<tr key=${keyOf(index)} aria-rowindex=${index + 2} style=${{ height: `${rowHeight}px` }}>${row(index)}</tr>`);
    next = index + 1;
  }
  if (next < count) lines.push(html`<${Gap} key="gap2" height=${(count - next) * rowHeight} columns=${columns.length} />`);

  return html`
    <table class=${`rows ${className}`} aria-label=${label} aria-rowcount=${count + 1}>
      <thead>
        <tr aria-rowindex="1">
          ${columns.map((column) => html`<${Head} key=${column.key} column=${column} sort=${sort} onSort=${onSort} />`)}
        </tr>
      </thead>
      <tbody ref=${body} onKeyDown=${onKeyDown} onFocusIn=${(/** @type {FocusEvent} */ event) => setHeld(indexOf(event.target))} onFocusOut=${() => wanted.current < 0 && setHeld(-1)}>
        ${lines}
      </tbody>
    </table>
  `;
}

/** @param {EventTarget | null} target */
const indexOf = (target) => Number(/** @type {Element} */ (target).closest('tr')?.getAttribute('aria-rowindex') ?? 1) - 2;

/** @param {{height: number, columns: number}} props */
const Gap = ({ height, columns }) => html`<tr class="gap" aria-hidden="true"><td colspan=${columns} style=${{ height: `${height}px` }}></td></tr>`;

/** @param {{column: Column, sort?: {key: string, down: boolean}, onSort?: (key: string) => void}} props */
function Head({ column: { key, label, hidden, sorts }, sort, onSort }) {
  if (hidden) return html`<th scope="col" class=${key}><span class="offscreen">${label}</span></th>`;
  if (!sorts) return html`<th scope="col" class=${key}>${label}</th>`;
  const direction = sort?.key !== key ? undefined : sort.down ? 'descending' : 'ascending';
  return html`
    <th scope="col" class=${key} aria-sort=${direction}>
      <button type="button" class="sort" title=${text.sortBy(label)} onClick=${() => onSort?.(key)}>${label}<span class="arrow" aria-hidden="true"></span></button>
    </th>
  `;
}
