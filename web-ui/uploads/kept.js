// What outlasts a reload: a note of each upload in the browser's storage, and which tab works on it.
import { root } from '../lib/api.js';
import { randomKey } from '../lib/random.js';
import * as storage from '../lib/storage.js';

/** @import {Store} from '../types' */

/**
 * What is to be registered when all bytes are there.
 * @typedef {{name: string, version: string, tree?: string, checksum?: string}} ImageToCome
 */

/**
 * @typedef {object} Kept
 * @property {string} key of the upload in this browser
 * @property {number} begun when it was asked for
 * @property {string} name
 * @property {Store} store
 * @property {number} size
 * @property {number | null} modified when the file was last changed, as the browser tells it; unknown if another browser began
 * @property {string} [id] the service's name of the upload, once it has begun
 * @property {string} [sha256]
 * @property {ImageToCome} [image]
 * @property {string} [before] when the file came that has this name until now
 * @property {boolean} [replaces] the user has agreed that this file goes
 * @property {boolean} [paused]
 * @property {boolean} [stored] all of it is in the store
 */

/** Services below other paths of the same host have notes of their own. */
const PREFIX = `image-service.upload ${root.pathname} `;
const OWNER = `image-service.uploader ${root.pathname} `;
const FIELDS = /** @type {const} */ (['key', 'begun', 'name', 'store', 'size', 'modified', 'id', 'sha256', 'image', 'before', 'replaces', 'paused', 'stored']);

/** How long another tab has to say that it is still there, milliseconds. */
const ANSWER = 700;
/** How long two tabs that want the same upload need to notice that, milliseconds. */
const CONTEST = 150;

const tab = randomKey();
const channel = new BroadcastChannel(`image-service.uploads ${root.pathname}`);
/** Calls that wait for a tab's answer. @type {Map<string, () => void>} */
const asked = new Map();
channel.addEventListener('message', ({ data }) => {
  if (data?.ask === tab) channel.postMessage({ here: tab });
  asked.get(data?.here)?.();
});

/** @param {Kept} upload */
export function keep(upload) {
  const note = JSON.stringify(Object.fromEntries(FIELDS.map((field) => [field, upload[field]])));
  if (storage.read(PREFIX + upload.key) === note) return;
  // If the storage is full, the upload goes on, but does not survive a reload.
  storage.write(PREFIX + upload.key, note);
}

/** Forgets an upload that is over. @param {string} key */
export function forget(key) {
  storage.remove(PREFIX + key);
  release(key);
}

/** @param {string} key @returns {Kept | null} */
export const note = (key) => read(storage.read(PREFIX + key));

/** All notes. */
export function notes() {
  const keys = storage.keys().filter((key) => key.startsWith(PREFIX));
  return keys.map((key) => read(storage.read(key))).filter((one) => one !== null);
}

/** @param {string | null} text @returns {Kept | null} */
function read(text) {
  try {
    const found = JSON.parse(text ?? '');
    return typeof found.key === 'string' && typeof found.name === 'string' && typeof found.size === 'number' ? found : null;
  } catch {
    return null;
  }
}

/**
 * Makes this tab the owner of an upload; returns whether it is. A tab that was closed does not answer, and
 * loses its uploads.
 * @param {string} key
 */
export async function claim(key) {
  const owner = storage.read(OWNER + key);
  if (owner && owner !== tab && (await isThere(owner))) return false;
  if (owner !== storage.read(OWNER + key)) return false;
  take(key);
  await new Promise((resolve) => setTimeout(resolve, CONTEST));
  return storage.read(OWNER + key) === tab;
}

/** Makes this tab the owner of a new upload. @param {string} key */
export function take(key) {
  storage.write(OWNER + key, tab);
}

/** @param {string} key */
export function release(key) {
  if (storage.read(OWNER + key) === tab) storage.remove(OWNER + key);
}

/** @param {string} owner @returns {Promise<boolean>} */
function isThere(owner) {
  return new Promise((resolve) => {
    const waits = setTimeout(() => (asked.delete(owner), resolve(false)), ANSWER);
    const before = asked.get(owner);
    asked.set(owner, () => {
      before?.();
      asked.delete(owner);
      clearTimeout(waits);
      resolve(true);
    });
    channel.postMessage({ ask: owner });
  });
}

/**
 * Reports what other tabs do: `noted` for a new or changed note, `ended` for a removed one, `freed` for one
 * without an owner.
 * @param {{noted: (key: string) => void, ended: (key: string) => void, freed: (key: string) => void}} told
 */
export function follow({ noted, ended, freed }) {
  addEventListener('storage', ({ key, newValue }) => {
    if (key?.startsWith(PREFIX)) (newValue === null ? ended : noted)(key.slice(PREFIX.length));
    if (key?.startsWith(OWNER) && newValue === null) freed(key.slice(OWNER.length));
  });
}
