// The files inside an image: one folder at a time, or the results of a search below it. Only visible pages
// are fetched.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import * as api from '../../lib/api.js';
import { count, decoded, size } from '../../lib/format.js';
import { southbound, state } from '../../lib/image.js';
import { adjust, href, route } from '../../lib/route.js';
import { say } from '../../parts/announce.js';
import { Copy } from '../../parts/copy.js';
import { html } from '../../parts/html.js';
import { Icon } from '../../parts/icon.js';
import { Table } from '../../parts/table.js';
import { Time } from '../../parts/time.js';
import { text } from '../../text.js';

/** @import {Image, TreeEntry, TreeListing} from '../../types' */

/** How high a row is, pixels. */
const ROW = 38;
/** Entries that are fetched at once. */
const PAGE = 500;
/** How long typing pauses before a search begins, milliseconds. */
const PAUSE = 250;

/** @param {{image: Image}} props */
export function Tree({ image }) {
  const { query } = route.value;
  const [path, search] = [query.get('path') ?? '', query.get('search') ?? ''];
  const [tries, setTries] = useState(0);
  return html`
    <section aria-labelledby="tree" class="tree">
      <h2 id="tree">${text.tree.title}</h2>
      ${
        state(image) === 'ready'
          ? html`<${Crumbs} image=${image} path=${path} /><${Search} key=${path} search=${search} />
              <${Listing} key=${`${tries} ${image.updated}?${path}?${search}`} image=${image} path=${path} search=${search} onRetry=${() => setTries(tries + 1)} />`
          : html`<p class="dim">${text.tree.notYet}</p>`
      }
    </section>
  `;
}

/** @param {Image} image @param {string} path */
const folder = (image, path) => href(['images', image.id], { path });

/** @param {{image: Image, path: string}} props */
function Crumbs({ image, path }) {
  const names = path.split('/').filter(Boolean);
  return html`
    <nav class="crumbs" aria-label=${text.tree.title}>
      <a href=${folder(image, '')} aria-current=${names.length === 0 ? 'page' : undefined}><${Icon} name="disc" /><span class="offscreen">${text.tree.root}</span></a>
      ${names.map((name, at) => {
        const to = `${names.slice(0, at + 1).join('/')}/`;
        return html`<span key=${to}><span aria-hidden="true">/</span><a href=${folder(image, to)} aria-current=${at + 1 === names.length ? 'page' : undefined}><bdi>${decoded(name)}</bdi></a></span>`;
      })}
    </nav>
  `;
}

/** @param {{search: string}} props */
function Search({ search }) {
  const [typed, setTyped] = useState(search);
  const sought = useRef(search);
  // A link leads to another search, or to none. A search that began here must not undo what was typed since.
  useEffect(() => {
    if (search === sought.current) return;
    sought.current = search;
    setTyped(search);
  }, [search]);
  useEffect(() => {
    const words = typed.trim();
    if (words === search) return;
    const wait = setTimeout(
      () => {
        sought.current = words;
        adjust({ search: words || null });
      },
      typed ? PAUSE : 0,
    );
    return () => clearTimeout(wait);
  }, [typed]);
  return html`
    <label class="search">
      <span class="offscreen">${text.tree.search}</span><${Icon} name="search" />
      <input type="search" placeholder=${text.tree.search} value=${typed} onInput=${(/** @type {any} */ event) => setTyped(event.currentTarget.value)} />
    </label>
  `;
}

/** @param {{image: Image, path: string, search: string, onRetry: () => void}} props */
function Listing({ image, path, search, onRetry }) {
  const [first, setFirst] = useState(/** @type {TreeListing | null} */ (null));
  const [wrong, setWrong] = useState('');
  const [pages] = useState(() => /** @type {Map<number, TreeEntry[] | null>} */ (new Map()));
  const [, redraw] = useState(0);
  const where = `images/${api.path(image.id)}/tree`;

  const ended = useMemo(() => new AbortController(), []);
  useEffect(() => {
    api.get(where, { path, search, limit: search ? 1000 : PAGE }, ended.signal).then(
      (/** @type {TreeListing} */ listing) => {
        setFirst(listing);
        if (search) say(text.tree.found(listing.total));
      },
      (error) => ended.signal.aborted || setWrong(error.message),
    );
    return () => ended.abort();
  }, []);

  // Pages after the first are loaded when the user scrolls to them.
  const onRange = useMemo(
    () => (/** @type {number} */ from, /** @type {number} */ end) => {
      if (!first || search) return;
      for (let page = Math.floor(from / PAGE); page <= Math.floor((Math.min(end, first.total) - 1) / PAGE); page += 1) {
        if (page < 1 || pages.has(page)) continue;
        pages.set(page, null);
        api.get(where, { path, offset: page * PAGE, limit: PAGE }, ended.signal).then(
          (/** @type {TreeListing} */ { entries }) => (pages.set(page, entries), redraw((number) => number + 1)),
          () => (pages.delete(page), redraw((number) => number + 1)),
        );
      }
    },
    [first],
  );

  if (wrong) return html`<p class="wrong" role="alert">${wrong} <button type="button" class="link" onClick=${onRetry}>${text.retry}</button></p>`;
  if (!first) return html`<p class="dim" aria-live="polite">${text.loading}</p>`;
  const total = search ? first.entries.length : first.total;
  /** @param {number} at */
  const entry = (at) => (at < PAGE || search ? first.entries[at] : pages.get(Math.floor(at / PAGE))?.[at % PAGE]);
  const { columns } = text.tree;
  const notes = search
    ? [text.tree.found(first.total), first.total > total && text.tree.first(total), first.complete === false && text.tree.cut]
    : [text.tree.entries(first.total)];
  return html`
    <p class="dim notes">${notes.filter(Boolean).join(' · ')}</p>
    ${
      total === 0
        ? html`<p class="nothing">${search ? text.tree.nothing : text.tree.empty}</p>`
        : html`<${Table} label=${text.tree.title} className="entries" rowHeight=${ROW} count=${total} keyOf=${(/** @type {number} */ at) => at} onRange=${onRange}
            row=${(/** @type {number} */ at) => html`<${Row} image=${image} entry=${entry(at)} under=${search ? path : undefined} />`}
            columns=${[
              { key: 'name', label: columns.name },
              { key: 'size', label: columns.size },
              { key: 'modified', label: columns.modified },
              { key: 'actions', label: columns.actions, hidden: true },
            ]} />`
    }
  `;
}

/**
 * @param {{image: Image, entry: TreeEntry | undefined, under?: string}} props `under`: the folder that was searched; the path of the entry is shown from there
 */
function Row({ image, entry, under }) {
  if (!entry) return html`<td class="name dim">…</td><td class="size"></td><td class="modified"></td><td class="actions"></td>`;
  const url = southbound(image.path + entry.path);
  const isFolder = entry.kind === 'directory';
  const above = under === undefined ? '' : entry.path.slice(under.length).replace(/[^/]*\/?$/, '');
  const name = html`${above && html`<bdi class="above">${decoded(above)}</bdi>`}<bdi>${entry.name}</bdi>`;
  return html`
    <td class="name">
      ${
        isFolder
          ? html`<a data-row class="folder" href=${folder(image, entry.path)}><${Icon} name="folder" /><span class="cut">${name}</span></a>`
          : html`<a data-row href=${url} target="_blank" rel="noreferrer"><${Icon} name="file" /><span class="cut">${name}</span></a>`
      }
    </td>
    <td class="size number">${entry.size === null || entry.size === undefined ? '' : html`<span title=${text.tree.bytes(count(entry.size))}>${size(entry.size)}</span>`}</td>
    <td class="modified dim">${entry.modified ? html`<${Time} stamp=${entry.modified} />` : ''}</td>
    <td class="actions"><${Copy} value=${url} what=${text.tree.copyUrl(entry.name)} /></td>
  `;
}
