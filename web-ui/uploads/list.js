// The list of this browser's uploads, with the state of each.
import { signal } from '@preact/signals';
import { route } from '../lib/route.js';
import { complain, say } from '../parts/announce.js';
import * as handles from './handles.js';
import * as kept from './kept.js';
import { Speed } from './speed.js';

/** @import {Kept} from './kept.js' */

/**
 * @typedef {{file: File, handle?: FileSystemFileHandle}} Picked a file that the user has chosen or dropped
 */
/**
 * `asking`: the user has to answer; `waiting` until fewer uploads run; `sending`; `finishing`: all is sent,
 * and the service works; `retrying` after a pause; `paused`; `stopped`: the file has to be chosen again;
 * `registering`: the image is added; `elsewhere`: another tab does it; `failed`; `done`
 * @typedef {'asking' | 'waiting' | 'sending' | 'finishing' | 'retrying' | 'paused' | 'stopped' | 'registering' | 'elsewhere' | 'failed' | 'done'} State
 */
/** @typedef {'name' | 'exists' | 'used' | 'local' | 'twice' | 'other'} Question */
/**
 * @typedef {Kept & {state: State, done: number, rate?: number | null, secondsLeft?: number | null, question?: Question, reason?: string, status?: number,
 *   until?: number, hasHandle?: boolean, offered?: string, added?: string}} Upload
 * `reason` is text for the user, `status` that of the answer; `until` the next attempt; `offered` a file that
 * may be another; `added` the image's id.
 */

/** @type {import('@preact/signals').Signal<Upload[]>} */
export const uploads = signal([]);

/** What only this tab has of an upload. */
class Work {
  /** @type {File | undefined} */
  file;
  /** @type {FileSystemFileHandle | undefined} */
  handle;
  /** @type {Picked | undefined} */
  offered;
  /** @type {(() => void) | undefined} */
  stop;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  again;
  attempts = 0;
  /** The most that one body may have, bytes. */
  piece = Infinity;
  /** Whether its questions were checked once. */
  isExamined = false;
  speed = new Speed();

  halt() {
    this.stop?.();
    this.stop = undefined;
    clearTimeout(this.again);
  }
}

/** @type {Map<string, Work>} */
export const works = new Map();
/** @param {string} key */
export function work(key) {
  const found = works.get(key) ?? new Work();
  works.set(key, found);
  return found;
}

/** Ids of uploads that ended here; an older list of the service may still have them. @type {Set<string>} */
export const ended = new Set();

/** @param {string} key */
export const find = (key) => uploads.value.find((one) => one.key === key);

/** @param {string} key @param {Partial<Upload>} changes */
export function change(key, changes) {
  const before = find(key);
  if (!before) return;
  const after = { ...before, ...changes };
  uploads.value = uploads.value.map((one) => (one.key === key ? after : one));
  if (after.state !== 'done' && after.state !== 'elsewhere') kept.keep(after);
  if (after.state !== before.state && after.state === 'failed') {
    const words = `${after.name}: ${after.reason}`;
    // Where the list is, it shows that too.
    if (route.value.path[0] === 'files') say(words);
    else complain(words, after.name);
  }
}

/** Puts one into the list, in the order in which they were asked for. @param {Upload} added */
export function add(added) {
  const others = uploads.value.filter((one) => one.key !== added.key);
  const at = others.findIndex((one) => one.begun > added.begun);
  uploads.value = others.toSpliced(at < 0 ? others.length : at, 0, added);
}

/** Removes an upload that is over. @param {Upload} upload */
export function end({ key, id }) {
  works.get(key)?.halt();
  works.delete(key);
  if (id) ended.add(id);
  kept.forget(key);
  void handles.forget(key);
}

/** The offsets of uploads that this tab is not sending. @param {Map<string, number>} offsets */
export function learn(offsets) {
  for (const { key, id, state, done } of uploads.value) {
    const offset = id ? offsets.get(id) : undefined;
    if (offset !== undefined && offset !== done && ['paused', 'stopped', 'elsewhere', 'failed'].includes(state)) change(key, { done: offset });
  }
}
