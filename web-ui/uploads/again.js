// Files for uploads that have none, as after a reload. Bytes of two files must not be mixed.
import { say } from '../parts/announce.js';
import { text } from '../text.js';
import { next } from './attempts.js';
import * as handles from './handles.js';
import { change, find, work } from './list.js';

/** @import {Picked} from './list.js' */

/**
 * Offers a file for an upload that has none. If it may be another one, the user is asked.
 * @param {string} key
 * @param {Picked} picked
 */
export function offer(key, picked) {
  const upload = find(key);
  if (!upload) return;
  const { file } = picked;
  const { wrongSize, bytes } = text.uploads;
  if (file.size !== upload.size) {
    change(key, { state: 'stopped', reason: wrongSize(file.name, bytes(file.size), bytes(upload.size)) });
    say(wrongSize(file.name, bytes(file.size), bytes(upload.size)));
  } else if ((upload.done > 0 || upload.id) && (file.name !== upload.name || (upload.modified !== null && file.lastModified !== upload.modified))) {
    work(key).offered = picked;
    change(key, { state: 'asking', question: 'other', offered: file.name });
  } else {
    accept(key, picked);
  }
}

/**
 * Resumes with a file, or with the one that was offered.
 * @param {string} key
 * @param {Picked | undefined} [picked]
 */
export function accept(key, picked = work(key).offered) {
  if (!picked) return;
  Object.assign(work(key), { file: picked.file, handle: picked.handle, offered: undefined, attempts: 0 });
  if (picked.handle) void handles.keep(key, picked.handle);
  change(key, { state: 'waiting', modified: picked.file.lastModified, paused: false, question: undefined, offered: undefined, reason: undefined, hasHandle: Boolean(picked.handle) });
  next();
}

/** Refuses the offered file. @param {string} key */
export function refuse(key) {
  work(key).offered = undefined;
  change(key, { state: 'stopped', question: undefined, offered: undefined, reason: undefined });
}

/**
 * Reads the file again by its handle; `ask` where the user has just agreed.
 * @param {string} key
 * @param {{ask: boolean}} how
 */
export async function reopen(key, { ask }) {
  const [upload, { handle }] = [find(key), work(key)];
  if (!upload || !handle) return;
  const found = await handles.fileOf(handle, { ask });
  if (found === 'refused') return;
  if (found === 'gone') change(key, { hasHandle: false, reason: text.uploads.unreadable });
  else if (found.size !== upload.size || found.lastModified !== upload.modified) change(key, { hasHandle: false, reason: text.uploads.unreadable });
  else if (upload.paused && !ask) {
    work(key).file = found;
    change(key, { state: 'paused' });
  } else accept(key, { file: found, handle });
}
