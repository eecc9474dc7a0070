// Uploads outlast a reload, and each has one tab as its owner: how tabs take and release them.
import { reopen } from './again.js';
import { complete, next } from './attempts.js';
import * as handles from './handles.js';
import * as kept from './kept.js';
import { add, change, find, uploads, work, works } from './list.js';
import { standing } from './sending.js';

/** How long a tab that released an upload may take to reload, milliseconds. */
const RELOAD = 2500;

/** Takes an upload that has a note, unless another tab owns it. @param {string} key */
async function revive(key) {
  const isMine = await kept.claim(key);
  const note = kept.note(key);
  const shown = find(key);
  if (!note) {
    uploads.value = uploads.value.filter((one) => one.key !== key);
    return;
  }
  if (!isMine) {
    if (!shown || shown.state === 'elsewhere') add({ ...note, done: shown?.done ?? 0, state: 'elsewhere' });
    next();
    return;
  }
  const mine = work(key);
  mine.handle ??= await handles.find(key);
  add({ ...note, done: shown?.done ?? 0, state: note.stored || (mine.file && !note.paused) ? 'waiting' : mine.file ? 'paused' : 'stopped', hasHandle: Boolean(mine.handle) });
  next();
  if (note.stored || mine.file) return;
  await settle(key);
  if (find(key)?.state === 'stopped') await reopen(key, { ask: false });
}

/**
 * Asks for the offset of an upload, which may have ended although the answer was lost.
 * @param {string} key
 */
async function settle(key) {
  const upload = find(key);
  if (!upload?.id) return;
  try {
    const is = await standing(upload);
    if (is === 'stored') complete(key);
    else if (is === 'unknown') change(key, { id: undefined, done: 0 });
    else change(key, { done: is.done });
  } catch {
    // It is asked again when it goes on.
  }
}

// No other tab may go on before this one has stopped.
addEventListener('pagehide', () => {
  for (const { key, state } of uploads.value) {
    if (state === 'done' || state === 'elsewhere') continue;
    works.get(key)?.halt();
    kept.release(key);
  }
});
addEventListener('pageshow', ({ persisted }) => {
  if (persisted) for (const { key, state } of uploads.value) if (state !== 'done') void revive(key);
});
kept.follow({
  noted: (key) => void ((find(key)?.state ?? 'elsewhere') === 'elsewhere' && revive(key)),
  ended: (key) => {
    if (find(key)?.state !== 'elsewhere') return;
    uploads.value = uploads.value.filter((one) => one.key !== key);
    next();
  },
  freed: (key) => setTimeout(() => find(key)?.state === 'elsewhere' && void revive(key), RELOAD),
});
for (const { key } of kept.notes()) void revive(key);
