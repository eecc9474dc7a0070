// How full the service is: a picture of each file system that its stores lie on.
import { computed } from '@preact/signals';
import { count, size } from '../../lib/format.js';
import { files } from '../../lib/live.js';
import { usePolled } from '../../lib/poll.js';
import { href } from '../../lib/route.js';
import { html } from '../../parts/html.js';
import { Icon } from '../../parts/icon.js';
import { text } from '../../text.js';

/** @import {Storage} from '../../types' */
/** @typedef {Storage['fileSystems'][number]} FileSystem */
/** @typedef {Storage['stores'][number]} Usage */

/** How often it is read, milliseconds. Other programs write to the same disks. */
const PAUSE = 15_000;

/** Changes whenever a file comes or goes. */
const contents = computed(() => Object.values(files).flatMap((list) => [...list.value.values()].map((file) => file.bytes)).join());

/** The last answer; null before the first. */
export const useStorage = () => /** @type {Storage | null} */ (usePolled('storage', PAUSE, contents.value));

/** @param {{storage: Storage | null}} props */
export function Space({ storage }) {
  const words = text.activity.space;
  return html`
    <section aria-labelledby="space">
      <h2 id="space">${words.title}</h2>
      ${
        storage
          ? storage.fileSystems.map((one) => html`<${Disk} key=${one.stores.join()} disk=${one} stores=${storage.stores.filter(({ store }) => one.stores.includes(store))} />`)
          : html`<div class="disk"><p class="dim">${text.loading}</p></div>`
      }
    </section>
  `;
}

/** @param {{disk: FileSystem, stores: Usage[]}} props */
function Disk({ disk, stores }) {
  const words = text.activity.space;
  const unfinished = stores.reduce((sum, { unfinished }) => sum + unfinished.bytes, 0);
  const whole = stores.reduce((sum, { unfinished }) => sum + unfinished.promised, 0);
  // Space that was taken in advance for the rest of a file counts as used, and is not promised any more.
  const ahead = Math.max(0, whole - disk.promised - unfinished);
  const ours = stores.reduce((sum, { bytes }) => sum + bytes, unfinished + ahead);
  /** @type {[string, string, number][]} */
  const parts = [
    ...stores.map(({ store, bytes }) => /** @type {[string, string, number]} */ ([store, words.stores[store], bytes])),
    ['unfinished', words.unfinished, unfinished],
    ['promised', words.promised, disk.promised + ahead],
    ['other', words.other, Math.max(0, disk.used - ours)],
    ['reserved', words.reserved, disk.reserved],
    ['free', words.free, disk.available],
  ];
  const shown = parts.filter(([, , bytes]) => bytes > 0);
  const full = disk.available === 0;
  return html`
    <div class="disk">
      <p><strong>${words.available(size(disk.available), size(disk.total))}</strong>${full && html` <span class="wrong">${words.full}</span>`}</p>
      <div class="stack" role="img" aria-label=${shown.map(([, name, bytes]) => `${name} ${size(bytes)}`).join(', ')}>
        ${shown.map(([kind, name, bytes]) => html`<span key=${kind} class=${`part ${kind}`} title=${`${name}: ${size(bytes)}`} style=${{ flexGrow: bytes / disk.total }}></span>`)}
      </div>
      <ul class="legend">${shown.map(([kind, name, bytes]) => html`<li key=${kind}><span class=${`part ${kind}`} aria-hidden="true"></span>${name} <span class="dim number">${size(bytes)}</span></li>`)}</ul>
      ${stores.map(({ store, problem }) => problem && html`<p key=${store} class="wrong"><${Icon} name="warning" />${problem}</p>`)}
      <p class="dim notes">
        ${stores.map(({ store, files, saved, quota, bytes }) => {
          const notes = [words.files(count(files)), saved > 0 && words.saved(size(saved)), quota && words.quota(size(bytes), size(quota))].filter(Boolean);
          return html`<span key=${store}><a href=${href(['files'], { store })}>${words.stores[store]}</a>: ${notes.join(', ')}</span>`;
        })}
      </p>
    </div>
  `;
}
