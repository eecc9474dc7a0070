// The lists of the service, kept up to date by `/events`.
import { computed, signal } from '@preact/signals';
import * as api from './api.js';

/** @import {Image, Index, Job, StoredFile, Store} from '../types' */

/** @type {import('@preact/signals').Signal<Map<string, Image>>} */
export const images = signal(new Map());
/** @type {import('@preact/signals').Signal<Map<string, Job>>} */
export const jobs = signal(new Map());
/** @type {Record<Store, import('@preact/signals').Signal<Map<string, StoredFile>>>} */
export const files = { iso: signal(new Map()), microkernel: signal(new Map()) };
/** @type {import('@preact/signals').Signal<Index | null>} */
export const about = signal(null);

/** Whether the lists are up to date: they were read, and the service can be reached. */
export const connection = signal(/** @type {'connecting' | 'live' | 'lost'} */ ('connecting'));
/** Whether the lists have been read at all. */
export const isLoaded = signal(false);

/** The jobs of images, by the image. */
export const jobOfImage = computed(() => {
  const byImage = new Map();
  for (const job of jobs.value.values()) {
    const known = job.image && byImage.get(job.image);
    if (job.image && (!known || known.created < job.created)) byImage.set(job.image, job);
  }
  return /** @type {Map<string, Job>} */ (byImage);
});

/** After this a hidden page closes its events, milliseconds: browsers allow few connections to one server. */
const UNSEEN = 30_000;
/**
 * How often an open stream is checked, milliseconds. A computer that slept does not notice lost connections.
 */
const DOUBT = 30_000;
/** How long the answer to a check, and the lists, may take, milliseconds. */
const ANSWER = 10_000;
const LISTS = 60_000;
/** Pauses between tries to connect, milliseconds. */
const PAUSES = [500, 1000, 2000, 5000, 10_000];
/** Changes are shown together this often, milliseconds. */
const TOGETHER = 60;

/** @type {EventSource | null} */
let stream = null;
let lastEventId = '';
let failures = 0;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let again;
/** The reading of the lists that is under way. @type {AbortController | null} */
let loading = null;
/** @type {{type: string, data: any}[]} */
let waiting = [];
/** @type {ReturnType<typeof setTimeout> | undefined} */
let flush;

/** Begins to follow the service; to be called once. */
export function follow() {
  connect();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let unseen;
  const look = () => {
    clearTimeout(unseen);
    if (document.hidden) unseen = setTimeout(disconnect, UNSEEN);
    else if (!stream) connect();
    else void doubt();
  };
  document.addEventListener('visibilitychange', look);
  // Pages are opened in the background as well.
  if (document.hidden) look();
  addEventListener('online', () => document.hidden || connect());
  // A page that goes into the browser's cache of pages must not keep a connection.
  addEventListener('pagehide', disconnect);
  addEventListener('pageshow', (event) => event.persisted && connect());
  setInterval(() => !document.hidden && stream && void doubt(), DOUBT);
}

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

function disconnect() {
  clearTimeout(again);
  loading?.abort();
  loading = null;
  stream?.close();
  stream = null;
  if (connection.value === 'live') connection.value = 'connecting';
}

function connect() {
  disconnect();
  const source = new EventSource(api.url('events', { lastEventId }));
  stream = source;
  for (const type of ['hello', 'reset']) source.addEventListener(type, (event) => (note(event), void load()));
  for (const type of ['image', 'job', 'file']) {
    for (const name of [type, `${type}-removed`]) {
      source.addEventListener(name, (event) => (note(event), change(name, JSON.parse(event.data))));
    }
  }
  source.addEventListener('open', () => {
    // A resumed stream has only changes. Any other begins with `hello` or `reset`, on which the lists are
    // read.
    if (lastEventId && isLoaded.value) arrived();
  });
  source.addEventListener('error', () => source === stream && lost());
}

/** The lists are up to date. */
function arrived() {
  failures = 0;
  connection.value = 'live';
}

/** Connects again after a pause. Browsers do so themselves only after some errors. */
function lost() {
  disconnect();
  connection.value = isLoaded.value || failures > 0 ? 'lost' : 'connecting';
  again = setTimeout(connect, PAUSES[Math.min(failures, PAUSES.length - 1)]);
  failures += 1;
}

/** @param {MessageEvent} event */
function note(event) {
  lastEventId = event.lastEventId || lastEventId;
}

/** Asks whether the service still answers, and of which version it is. */
async function doubt() {
  const doubted = stream;
  try {
    about.value = await api.get('about', undefined, AbortSignal.timeout(ANSWER));
  } catch {
    if (stream === doubted) lost();
  }
}

/** Reads all lists and aborts an earlier reading. Events that come meanwhile are applied afterwards. */
async function load() {
  loading?.abort();
  const mine = new AbortController();
  loading = mine;
  // The lists contain earlier events.
  waiting = [];
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
    arrived();
    apply();
  } catch {
    if (loading !== mine) return;
    // The lists would stay behind: connect again.
    lastEventId = '';
    lost();
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
