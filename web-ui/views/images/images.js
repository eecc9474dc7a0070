// The list of images.
import { computed, signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { root } from '../../lib/api.js';
import { size } from '../../lib/format.js';
import { job, kind, repository, state, system, title } from '../../lib/image.js';
import { images, isLoaded } from '../../lib/live.js';
import { adjust, href, route } from '../../lib/route.js';
import { order, sortBy, sorting } from '../../lib/sorting.js';
import { say } from '../../parts/announce.js';
import { Code, Copy, Digest } from '../../parts/copy.js';
import { Countdown } from '../../parts/countdown.js';
import { html } from '../../parts/html.js';
import { Icon } from '../../parts/icon.js';
import { Bar, percent, words } from '../../parts/progress.js';
import { Status } from '../../parts/status.js';
import { Table } from '../../parts/table.js';
import { Time } from '../../parts/time.js';
import { text } from '../../text.js';
import { ImageActions } from './image_actions.js';
import { RemoveImage } from './remove_image.js';

/** @import {Image} from '../../types' */

/** How high a row is, pixels; the style sheet agrees. */
const ROW = 60;

const STATES = /** @type {const} */ (['all', 'ready', 'working', 'failed']);

/** What each column sorts by. @type {Record<string, (a: Image, b: Image) => number>} */
const SORTS = {
  name: (a, b) => order.compare(a.name, b.name) || order.compare(a.version, b.version),
  system: (a, b) => order.compare(system(a) || kind(a), system(b) || kind(b)),
  size: (a, b) => (a.bytes ?? -1) - (b.bytes ?? -1),
  status: (a, b) => STATES.indexOf(state(b)) - STATES.indexOf(state(a)),
  created: (a, b) => a.created.localeCompare(b.created),
};

const all = computed(() => [...images.value.values()]);

/** How many images there are in each state. */
const counts = computed(() => {
  const counts = { all: all.value.length, ready: 0, working: 0, failed: 0 };
  for (const image of all.value) counts[state(image)] += 1;
  return counts;
});

/** The images that are shown, in their order. */
const shown = computed(() => {
  const { query } = route.value;
  const wanted = query.get('state');
  const words = (query.get('q') ?? '').toLowerCase().split(/\s+/).filter(Boolean);
  const found = all.value.filter((image) => {
    if (wanted && state(image) !== wanted) return false;
    const said = `${title(image)} ${image.iso} ${system(image)} ${image.system?.arch ?? ''} ${image.tree?.label ?? ''}`.toLowerCase();
    return words.every((word) => said.includes(word));
  });
  const { key, down } = sorting();
  const compare = SORTS[key] ?? SORTS.name;
  found.sort((a, b) => (down ? -1 : 1) * compare(a, b) || SORTS.name(a, b));
  return found;
});

export const removing = signal(/** @type {Image | null} */ (null));

export function Images() {
  const { query } = route.value;
  useEffect(() => void (document.title = `${text.images.title} · ${text.product}`), []);
  const list = shown.value;
  const count = text.images.shown(list.length, all.value.length);
  useEffect(() => (query.get('q') || query.get('state') ? say(count) : undefined), [count, query.get('q'), query.get('state')]);
  const { columns } = text.images;
  const isEmpty = isLoaded.value && all.value.length === 0;

  return html`
    <div class="head">
      <h1>${text.images.title}</h1>
      <a class="button primary" href=${href(['images'], { ...Object.fromEntries(query), add: 'web' })}><${Icon} name="add" />${text.images.add}</a>
    </div>
    ${
      isEmpty
        ? html`<${Nothing} />`
        : html`
            <div class="tools">
              <label class="search">
                <span class="offscreen">${text.images.filter}</span><${Icon} name="search" />
                <input type="search" placeholder=${text.images.filterHint} value=${query.get('q') ?? ''} onInput=${(/** @type {any} */ event) => adjust({ q: event.currentTarget.value })} />
              </label>
              <div class="chips" role="group" aria-label=${text.images.statesLabel}>
                ${STATES.map(
                  (one) => html`
                    <button key=${one} type="button" class="chip" aria-pressed=${(query.get('state') ?? 'all') === one} onClick=${() => adjust({ state: one === 'all' ? null : one })}>
                      ${text.images.states[one]} <span class="number">${counts.value[one]}</span>
                    </button>
                  `,
                )}
              </div>
              <span class="dim count">${isLoaded.value ? count : text.loading}</span>
            </div>
            ${
              list.length > 0 || !isLoaded.value
                ? html`
                    <${Table} label=${text.images.label} className="images" rowHeight=${ROW} count=${list.length} keyOf=${(/** @type {number} */ at) => list[at].id}
                      row=${(/** @type {number} */ at) => html`<${Row} image=${list[at]} />`} sort=${sorting()} onSort=${sortBy}
                      columns=${[
                        { key: 'name', label: columns.name, sorts: true },
                        { key: 'system', label: columns.system, sorts: true },
                        { key: 'size', label: columns.size, sorts: true },
                        { key: 'status', label: columns.status, sorts: true },
                        { key: 'created', label: columns.created, sorts: true },
                        { key: 'digest', label: columns.digest },
                        { key: 'actions', label: columns.actions, hidden: true },
                      ]} />
                  `
                : html`<p class="nothing">${text.images.nothing} <button type="button" class="link" onClick=${() => adjust({ q: null, state: null })}>${text.images.clear}</button></p>`
            }
          `
    }
    ${removing.value && html`<${RemoveImage} image=${removing.value} onClose=${() => (removing.value = null)} />`}
  `;
}

/** @param {{image: Image}} props */
function Row({ image }) {
  const bytes = image.bytes ?? job(image)?.progress?.total;
  return html`
    <td class="name">
      <a data-row href=${href(['images', image.id])}><bdi class="first">${image.name}</bdi> <bdi class="second">${image.version}</bdi></a>
    </td>
    <td class="system"><${Kind} image=${image} /></td>
    <td class="size number">${bytes ? size(bytes) : html`<span class="dim">–</span>`}</td>
    <td class="status"><${Progressing} image=${image} brief /></td>
    <td class="created"><${Time} stamp=${image.created} /></td>
    <td class="digest"><${Digest} sha256=${image.sha256} /></td>
    <td class="actions">
      <span class="buttons"><${ImageActions} image=${image} /><${Copy} value=${repository(image)} what=${text.images.copyUrl(title(image))} />
        <button type="button" class="plain danger" title=${text.images.remove(title(image))} aria-label=${text.images.remove(title(image))} onClick=${() => (removing.value = image)}><${Icon} name="remove" /></button></span>
    </td>
  `;
}

/** What system it is, and of which kind the file. @param {{image: Image}} props */
function Kind({ image }) {
  const [found, file] = [system(image), kind(image)];
  if (!found && !file) return html`<span class="dim">–</span>`;
  const name = found || image.tree?.label || file;
  return html`<span class="pair"><bdi class="first" title=${name}>${name}</bdi><span class="second">${[image.system?.arch, file].filter(Boolean).join(' · ')}</span></span>`;
}

/** The status, or how far it has come. @param {{image: Image, brief?: boolean}} props */
export function Progressing({ image, brief = false }) {
  const work = job(image);
  const status = html`<${Status} thing=${image} job=${work} />`;
  if (state(image) !== 'working' || !work) return status;
  if (work.state === 'waiting') {
    return html`<span class="pair">${status}<span class="second why" title=${work.reason}>${!brief && work.until && html`<${Countdown} until=${work.until} />: `}${work.reason}</span></span>`;
  }
  if (!work.progress) return status;
  return html`
    <span class="pair going"><span class="line">${status}<span class="second" title=${words(work.progress)}>${brief ? percent(work.progress) : words(work.progress)}</span></span>
      <${Bar} done=${work.progress.done} total=${work.progress.total} label=${title(image)} /></span>
  `;
}

/** What a new user sees: what an image is, and two ways to the first one. */
function Nothing() {
  const curl = `curl -X PUT '${new URL('images', root).href}?name=memtest&version=7&isoweb=https://example.org/memtest.iso'`;
  return html`
    <section class="empty">
      <${Icon} name="disc" />
      <h2>${text.images.empty}</h2>
      <p>${text.images.emptyHint}</p>
      <${Code} value=${curl} what=${text.add.curl} />
      <a class="button primary" href=${href(['images'], { add: 'web' })}><${Icon} name="add" />${text.images.add}</a>
    </section>
  `;
}
