// What users do with the uploads of this browser. Uploads go on in every view, and after a reload as far as
// the
// browser allows.
import * as api from '../lib/api.js';
import { files } from '../lib/live.js';
import { randomKey } from '../lib/random.js';
import { complain, tell } from '../parts/announce.js';
import { text } from '../text.js';
import { offer } from './again.js';
import { next } from './attempts.js';
import * as handles from './handles.js';
import * as kept from './kept.js';
import { add, change, end, ended, find, uploads, work } from './list.js';
import './tabs.js';

/** @import {Store} from '../types' */
/** @import {ImageToCome} from './kept.js' */
/** @import {Upload} from './list.js' */
/** @typedef {import('./list.js').Picked} Picked */

export { accept, offer, refuse, reopen } from './again.js';
export { moment, retry } from './attempts.js';
export { uploads } from './list.js';

/**
 * Uploads a file, now or when fewer uploads run, and registers an image from it.
 * @param {Picked} picked
 * @param {{store: Store, sha256?: string, image?: ImageToCome, id?: string, name?: string, done?: number}} what `id` of an upload that was begun elsewhere
 */
export function upload(picked, { store, sha256, image, id, name = picked.file.name, done = 0 }) {
  const { size, lastModified: modified } = picked.file;
  const known = uploads.value.find((one) => one.state !== 'done' && one.store === store && one.name === name && one.size === size && (one.modified ?? modified) === modified);
  if (known) {
    if (image) change(known.key, { image, sha256: sha256 || known.sha256 });
    if (['stopped', 'failed'].includes(known.state)) offer(known.key, picked);
    else tell(text.uploads.already(name), name);
    return;
  }
  const key = randomKey();
  kept.take(key);
  Object.assign(work(key), { file: picked.file, handle: picked.handle });
  if (picked.handle) void handles.keep(key, picked.handle);
  const before = files[store].value.get(name)?.uploaded ?? undefined;
  add({ key, begun: Date.now(), name, store, size, modified, id, sha256: sha256 || undefined, image, before, done, state: 'waiting', hasHandle: Boolean(picked.handle) });
  kept.keep(/** @type {Upload} */ (find(key)));
  if (size === 0) change(key, { state: 'failed', reason: text.uploads.empty });
  next();
}

/** @param {string} key */
export function pause(key) {
  const upload = find(key);
  if (!upload) return;
  work(key).halt();
  change(key, { state: 'paused', paused: true, done: Math.max(upload.done, work(key).speed.done), rate: null, secondsLeft: null });
  next();
}

/** @param {string} key */
export function resume(key) {
  change(key, { state: work(key).file ? 'waiting' : 'stopped', paused: false });
  next();
}

/** Ends an upload and removes its bytes. @param {string} key */
export async function cancel(key) {
  const upload = find(key);
  if (!upload) return;
  dismiss(key);
  if (upload.id && !upload.stored) await discard(upload.id, upload.name);
}

/** Removes the bytes of an upload that no tab goes on with. @param {string} id @param {string} name */
async function discard(id, name) {
  try {
    await api.request('DELETE', `uploads/${api.path(id)}`);
  } catch (error) {
    if (error instanceof api.ApiError && error.status === 404) return;
    ended.delete(id);
    complain(text.uploads.notRemoved(name));
  }
}

/** Takes an upload off the list. @param {string} key */
export function dismiss(key) {
  const upload = find(key);
  if (!upload) return;
  uploads.value = uploads.value.filter((one) => one.key !== key);
  end(upload);
  next();
}

export const clear = () => void (uploads.value = uploads.value.filter((one) => one.state !== 'done'));

/** The user agrees that the file of this name is replaced. @param {string} key */
export function replace(key) {
  change(key, { state: 'waiting', question: undefined, replaces: true });
  next();
}

/**
 * Changes the name, and starts over if the service has bytes under the old one.
 * @param {string} key
 * @param {string} name
 */
export function rename(key, name) {
  const upload = find(key);
  if (!upload) return;
  const { id } = upload;
  if (id) {
    ended.add(id);
    void discard(id, upload.name);
  }
  Object.assign(work(key), { attempts: 0, isExamined: false }).speed.start(0);
  change(key, { name, id: undefined, done: 0, question: undefined, replaces: false, state: work(key).file ? 'waiting' : 'stopped', reason: undefined, status: undefined });
  next();
}
