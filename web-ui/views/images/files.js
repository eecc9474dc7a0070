// The files of the stores, and what is on its way there.
import { computed } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import * as api from '../../lib/api.js';
import { users } from '../../lib/files.js';
import { count, size } from '../../lib/format.js';
import { fileUrl, state } from '../../lib/image.js';
import { files, isLoaded } from '../../lib/live.js';
import { adjust, href, route } from '../../lib/route.js';
import { order, sortBy, sorting } from '../../lib/sorting.js';
import { complain, say } from '../../parts/announce.js';
import { Code, Copy, Digest } from '../../parts/copy.js';
import { isOver, useDrops } from '../../parts/drop.js';
import { FileButton } from '../../parts/file_button.js';
import { html } from '../../parts/html.js';
import { Icon } from '../../parts/icon.js';
import { Table } from '../../parts/table.js';
import { Time } from '../../parts/time.js';
import { text } from '../../text.js';
import { upload } from '../../uploads/queue.js';
import { FileDetails } from './file_details.js';
import { FileStatus, User, removing } from './file_parts.js';
import { RemoveFile } from './remove_file.js';
import { UploadList } from './upload_list.js';

/** @import {StoredFile, Store} from '../../types' */
/** @import {Picked} from '../../uploads/queue.js' */

/** How high a row is, pixels; the style sheet agrees. */
const ROW = 60;

const STORES = /** @type {const} */ (['iso', 'microkernel']);
const STATES = ['ready', 'working', 'failed'];

/** @returns {Store} */
const storeOf = (/** @type {URLSearchParams} */ query) => (query.get('store') === 'microkernel' ? 'microkernel' : 'iso');

/** What each column sorts by. @type {Record<string, (a: StoredFile, b: StoredFile) => number>} */
const SORTS = {
  name: (a, b) => order.compare(a.name, b.name),
  size: (a, b) => a.bytes - b.bytes,
  uploaded: (a, b) => (a.uploaded ?? '').localeCompare(b.uploaded ?? ''),
  used: (a, b) => (a.images?.length ?? 0) - (b.images?.length ?? 0),
  status: (a, b) => STATES.indexOf(state(b)) - STATES.indexOf(state(a)),
};

/** The files that are shown, in their order. */
const shown = computed(() => {
  const { query } = route.value;
  const store = storeOf(query);
  const wanted = (query.get('q') ?? '').toLowerCase().split(/\s+/).filter(Boolean);
  const found = [...files[store].value.values()].filter((file) => {
    const said = `${file.name} ${file.images?.join(' ') ?? ''} ${file.sha256 ?? ''}`.toLowerCase();
    return wanted.every((word) => said.includes(word));
  });
  const { key, down } = sorting();
  const compare = SORTS[key] ?? SORTS.name;
  return found.sort((a, b) => (down ? -1 : 1) * compare(a, b) || SORTS.name(a, b));
});

export function Files() {
  const { query } = route.value;
  const store = storeOf(query);
  useEffect(() => void (document.title = `${text.files.title} · ${text.product}`), []);
  useEffect(() => () => void (removing.value = null), []);
  /** @param {Picked[]} picked */
  const add = (picked) => picked.forEach((one) => upload(one, { store }));
  useDrops(({ picked, folders }) => {
    if (folders.length > 0) complain(text.files.folders(folders));
    add(picked);
  });
  const [list, all] = [shown.value, files[store].value];
  const found = text.files.shown(list.length, all.size);
  useEffect(() => (query.get('q') ? say(found) : undefined), [found, query.get('q')]);
  const asked = query.get('file');
  const doomed = removing.value && files[removing.value.store].value.get(removing.value.name);

  return html`
    <div class="head">
      <h1>${text.files.title}</h1>
      <${FileButton} label=${text.files.upload} multiple className="primary" onPick=${add} />
    </div>
    <${UploadList} />
    <div class="tools">
      <div class="chips" role="group" aria-label=${text.files.storesLabel}>
        ${STORES.map(
          (one) => html`
            <button key=${one} type="button" class="chip" aria-pressed=${store === one} onClick=${() => adjust({ store: one === 'iso' ? null : one, file: null })}>
              ${text.files.stores[one]} <span class="number">${count(files[one].value.size)}</span>
            </button>
          `,
        )}
      </div>
      ${
        (all.size > 0 || !isLoaded.value) &&
        html`<label class="search">
            <span class="offscreen">${text.files.filter}</span><${Icon} name="search" />
            <input type="search" placeholder=${text.files.filterHint} value=${query.get('q') ?? ''} onInput=${(/** @type {any} */ event) => adjust({ q: event.currentTarget.value })} />
          </label>
          <span class="dim count">${isLoaded.value ? found : text.loading}</span>`
      }
    </div>
    ${
      isLoaded.value && all.size === 0
        ? html`<${Nothing} store=${store} />`
        : list.length === 0 && isLoaded.value
          ? html`<p class="nothing">${text.files.nothing} <button type="button" class="link" onClick=${() => adjust({ q: null })}>${text.files.clear}</button></p>`
          : html`<${List} key=${store} store=${store} list=${list} query=${query} />`
    }
    ${isOver.value && html`<div class="dropping" aria-hidden="true"><p><${Icon} name="upload" />${text.files.drop[store]}</p></div>`}
    ${asked && !removing.value && isLoaded.value && html`<${FileDetails} store=${store} name=${asked} />`}
    ${removing.value && doomed && html`<${RemoveFile} store=${removing.value.store} file=${doomed} onClose=${() => (removing.value = null)} />`}
  `;
}

/** @param {{store: Store, list: StoredFile[], query: URLSearchParams}} props */
function List({ store, list, query }) {
  const { columns } = text.files;
  const isIso = store === 'iso';
  return html`
    <${Table} label=${text.files.stores[store]} className=${isIso ? 'files isos' : 'files'} rowHeight=${ROW} count=${list.length} keyOf=${(/** @type {number} */ at) => list[at].name}
      row=${(/** @type {number} */ at) => html`<${Row} store=${store} file=${list[at]} />`} sort=${sorting()} onSort=${sortBy}
      columns=${[
        { key: 'name', label: columns.name, sorts: true },
        { key: 'size', label: columns.size, sorts: true },
        { key: 'uploaded', label: columns.uploaded, sorts: true },
        ...(isIso ? [{ key: 'used', label: columns.used, sorts: true }] : []),
        { key: 'status', label: columns.status, sorts: true },
        { key: 'digest', label: columns.digest },
        { key: 'actions', label: columns.actions, hidden: true },
      ]} />
  `;
}

/** @param {{store: Store, file: StoredFile}} props */
function Row({ store, file }) {
  const { name } = file;
  const { query } = route.value;
  const notes = [file.origin && text.files.origins[/** @type {'upload'} */ (file.origin)], file.sharedWith?.length && text.files.shares(file.sharedWith.length)];
  return html`
    <td class="name">
      <a data-row class="pair" href=${href(['files'], { ...Object.fromEntries(query), file: name })}><bdi class="first" title=${name}>${name}</bdi>
        <span class="second">${notes.filter(Boolean).join(' · ')}</span></a>
    </td>
    <td class="size number">${size(file.bytes)}</td>
    <td class="uploaded"><${Time} stamp=${file.uploaded} /></td>
    ${store === 'iso' && html`<td class="used"><${UsedBy} file=${file} /></td>`}
    <td class="status"><${FileStatus} store=${store} file=${file} /></td>
    <td class="digest"><${Digest} sha256=${file.sha256} /></td>
    <td class="actions">
      <span class="buttons">
        ${
          store === 'iso' &&
          html`<a class="plain" title=${text.files.addImage(name)} aria-label=${text.files.addImage(name)} href=${href(['files'], { ...Object.fromEntries(query), add: 'store', iso: name })}><${Icon} name="disc" /></a>`
        }
        <${Copy} value=${fileUrl(store, name)} what=${text.files.copyUrl(name)} />
        <button type="button" class="plain danger" title=${text.files.remove(name)} aria-label=${text.files.remove(name)} onClick=${() => (removing.value = { store, name })}><${Icon} name="remove" /></button>
      </span>
    </td>
  `;
}

/** The images that need a file: the first, and how many more. @param {{file: StoredFile}} props */
function UsedBy({ file }) {
  const [first, ...more] = users(file);
  if (!first) return html`<span class="dim">–</span>`;
  return html`<span class="pair"><${User} user=${first} />${
    more.length > 0 && html`<span class="second" title=${more.map(({ words }) => words).join('\n')}>${text.files.more(more.length)}</span>`
  }</span>`;
}

/** What an empty store is for, and how to fill it. @param {{store: Store}} props */
function Nothing({ store }) {
  const [heading, hint] = text.files.empty[store];
  const name = store === 'iso' ? 'linux.iso' : 'vmlinuz';
  return html`
    <section class="empty">
      <${Icon} name=${store === 'iso' ? 'disc' : 'file'} />
      <h2>${heading}</h2>
      <p>${hint}</p>
      <${Code} value=${`curl -T ${name} '${api.url(store, { name }).href}'`} what=${text.files.curl} />
    </section>
  `;
}
