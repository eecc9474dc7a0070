// Unfinished uploads that this browser did not begin: those of curl and of other browsers.
import { computed, signal } from '@preact/signals';
import * as api from '../lib/api.js';
import { ended, learn, uploads } from './list.js';

/** @import {UnfinishedUpload} from '../types' */

/** How often they are asked for while the view is open, milliseconds. */
const PAUSE = 4000;
/** How long the answer may take, milliseconds. */
const ANSWER = 15_000;

/** @typedef {UnfinishedUpload & {moves: boolean}} Other `moves`: bytes came since it was last asked for */

/** @type {import('@preact/signals').Signal<Other[]>} */
const listed = signal([]);

export const others = computed(() => {
  const known = new Set(uploads.value.map((one) => one.id));
  return listed.value.filter((one) => !known.has(one.id) && !ended.has(one.id));
});

/** Reads the list. */
export async function look() {
  try {
    const before = new Map(listed.value.map((one) => [one.id, one.offset]));
    /** @type {UnfinishedUpload[]} */
    const found = await api.get('uploads', {}, AbortSignal.timeout(ANSWER));
    listed.value = found.map((one) => ({ ...one, moves: one.offset > (before.get(one.id) ?? one.offset) }));
    learn(new Map(found.map((one) => [one.id, one.offset])));
  } catch {
    // The old list stays; the head of the page tells that the service cannot be reached.
  }
}

/** Keeps them up to date until what it returns is called. */
export function watch() {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let next;
  let isOver = false;
  const turn = async () => {
    if (!document.hidden) await look();
    if (!isOver) next = setTimeout(turn, PAUSE);
  };
  void turn();
  return () => {
    isOver = true;
    clearTimeout(next);
  };
}

/** Removes one and its bytes. @param {Other} other */
export async function remove({ id }) {
  try {
    await api.request('DELETE', `uploads/${api.path(id)}`);
  } catch (error) {
    if (!(error instanceof api.ApiError && error.status === 404)) throw error;
  }
  ended.add(id);
  await look();
}
