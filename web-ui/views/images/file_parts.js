// What several views of files show: their status, the images that need them, and the files that share their
// bytes.
import { computed, signal } from '@preact/signals';
import { users } from '../../lib/files.js';
import { reason, state } from '../../lib/image.js';
import { jobs } from '../../lib/live.js';
import { href } from '../../lib/route.js';
import { html } from '../../parts/html.js';
import { Bar, percent, words } from '../../parts/progress.js';
import { Time } from '../../parts/time.js';
import { text } from '../../text.js';

/** @import {Job, StoredFile, Store} from '../../types' */

/** The file that the user wants to delete. */
export const removing = signal(/** @type {{store: Store, name: string} | null} */ (null));

/** The jobs that read files, by store and name. */
const jobOfFile = computed(() => {
  const reading = [...jobs.value.values()].filter((job) => job.file && job.state === 'running');
  return new Map(reading.map((job) => [`${job.file?.store} ${job.file?.name}`, job]));
});

/**
 * Whether it is good, since when that is known, and how far it is read where it is not.
 * @param {{store: Store, file: StoredFile}} props
 */
export function FileStatus({ store, file }) {
  const is = state(file);
  const job = is === 'working' ? jobOfFile.value.get(`${store} ${file.name}`) : undefined;
  const word = { ready: text.files.ready, working: text.files.preparing, failed: text.files.damaged }[is];
  const status = html`<span class=${`status ${is}`}><span class="dot" aria-hidden="true"></span><span class="word">${word}</span></span>`;
  if (job?.progress) {
    return html`<span class="pair going"><span class="line">${status}<span class="second" title=${words(job.progress)}>${percent(job.progress)}</span></span>
      <${Bar} done=${job.progress.done} total=${job.progress.total} label=${text.files.digesting(file.name)} /></span>`;
  }
  if (is === 'failed') return html`<span class="pair">${status}<span class="second why" title=${reason(file)}>${reason(file)}</span></span>`;
  return html`<span class="pair">${status}${file.verified && html`<span class="second">${text.files.verified} <${Time} stamp=${file.verified} /></span>`}</span>`;
}

/** An image that needs a file. @param {{user: {words: string, id?: string}}} props */
export const User = ({ user: { words, id } }) => (id ? html`<a href=${href(['images', id])}><bdi>${words}</bdi></a>` : html`<bdi>${words}</bdi>`);

/** All of them. @param {{file: StoredFile}} props */
export const Users = ({ file }) => html`<ul class="plainly">${users(file).map((user) => html`<li key=${user.words}><${User} user=${user} /></li>`)}</ul>`;

/**
 * The other files that have the same bytes on disk.
 * @param {{others: {store: Store, name: string}[]}} props
 */
export const Sharers = ({ others }) => html`
  <ul class="plainly">
    ${others.map(
      ({ store, name }) => html`
        <li key=${`${store} ${name}`}><a href=${href(['files'], { store: store === 'iso' ? null : store, file: name })}><bdi>${name}</bdi></a>${' '}
          <span class="dim">${text.files.stores[store]}</span></li>
      `,
    )}
  </ul>
`;
