// The lists of the service, kept up to date by `/events`.
import { computed, signal } from '@preact/signals';
import * as api from './api.js';
import * as events from './events.js';
import { reach } from './events.js';

/** @import {Image, Index, Job, StoredFile, Store} from '../types' */

/** @type {import('@preact/signals').Signal<Map<string, Image>>} */
export const images = signal(new Map());
/** @type {import('@preact/signals').Signal<Map<string, Job>>} */
export const jobs = signal(new Map());
/** @type {Record<Store, import('@preact/signals').Signal<Map<string, StoredFile>>>} */
export const files = { iso: signal(new Map()), microkernel: signal(new Map()) };
/** @type {import('@preact/signals').Signal<Index | null>} */
export const about = signal(null);

/** Whether the lists have been read at all. */
export const isLoaded = signal(false);

/** Whether nothing was missed since they were read. */
const isWhole = signal(false);

/** Whether the lists are up to date: they were read, and the service can be reached. */
export const connection = computed(() => {
  const { is } = reach.value;
  return is === 'open' ? (isWhole.value ? 'live' : 'connecting') : is;
});

/** The jobs of images, by the image. */
export const jobOfImage = computed(() => {
  const byImage = new Map();
  for (const job of jobs.value.values()) {
    const known = job.image && byImage.get(job.image);
    if (job.image && (!known || known.created < job.created)) byImage.set(job.image, job);
  }
  return /** @type {Map<string, Job>} */ (byImage);
});

/** How long reading the lists may take, milliseconds. */
const LISTS = 60_000;
/** Changes are shown together this often, milliseconds. */
const TOGETHER = 60;

/** The reading of the lists that is under way. @type {AbortController | null} */
let loading = null;
/** @type {{type: string, data: any}[]} */
let waiting = [];
/** @type {ReturnType<typeof setTimeout> | undefined} */
let flush;

/** Begins to follow the service; to be called once. */
export const follow = () => events.follow({ reset: () => void load(), change, answered: (index) => (about.value = index) });

/**
 * Removes from a list what was just deleted, before its event comes.
 * @param {import('@preact/signals').Signal<Map<string, any>>} list
 * @param {string} key
 */
export function forget(list, key) {
  const left = new Map(list.value);
  left.delete(key);
  list.value = left;
}

/** Puts an answer about an image into the list, unless a newer event came meanwhile. @param {Image} image */
export function learn(image) {
  const known = images.value.get(image.id);
  if (!known || known.updated <= image.updated) images.value = new Map(images.value).set(image.id, image);
}

/** Reads all lists and aborts an earlier reading. Events that come meanwhile are applied afterwards. */
async function load() {
  loading?.abort();
  const mine = new AbortController();
  loading = mine;
  // The lists contain earlier events.
  waiting = [];
  isWhole.value = false;
  const signal = AbortSignal.any([mine.signal, AbortSignal.timeout(LISTS)]);
  try {
    const [index, ...lists] = await Promise.all(['about', 'images', 'jobs', 'iso', 'microkernel'].map((path) => api.get(path, {}, signal)));
    if (loading !== mine) return;
    loading = null;
    about.value = index;
    [images, jobs].forEach((list, at) => (list.value = by(lists[at], (/** @type {any} */ one) => one.id)));
    files.iso.value = by(lists[2], (file) => file.name);
    files.microkernel.value = by(lists[3], (file) => file.name);
    isLoaded.value = true;
    isWhole.value = true;
    apply();
  } catch {
    if (loading === mine) events.unread();
  }
}

/** @param {any[]} list @param {(one: any) => string} key */
const by = (list, key) => /** @type {Map<string, any>} */ (new Map(list.map((one) => [key(one), one])));

/** @param {string} type @param {any} data */
function change(type, data) {
  waiting.push({ type, data });
  flush ??= setTimeout(apply, TOGETHER);
}

function apply() {
  clearTimeout(flush);
  flush = undefined;
  if (loading) return;
  const changes = waiting;
  waiting = [];
  const changed = new Map();
  for (const { type, data } of changes) {
    const [kind, removed] = type.split('-');
    const list = kind === 'image' ? images : kind === 'job' ? jobs : files[/** @type {Store} */ (data.store)];
    const key = kind === 'file' ? data.name : data.id;
    const next = changed.get(list) ?? new Map(/** @type {Map<string, any>} */ (list.value));
    if (removed) next.delete(key);
    else next.set(key, data);
    changed.set(list, next);
  }
  for (const [list, next] of changed) list.value = next;
}
