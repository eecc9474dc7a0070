// Attempts: which uploads may send now, how an attempt ends, and when the next one begins.
import { computed, effect, signal, untracked } from '@preact/signals';
import * as api from '../lib/api.js';
import { title } from '../lib/image.js';
import { connection, files, images, isLoaded, learn } from '../lib/live.js';
import { route } from '../lib/route.js';
import { say, tell, withdraw } from '../parts/announce.js';
import { text } from '../text.js';
import { change, end, find, uploads, work, works } from './list.js';
import { question, questionOf } from './questions.js';
import { send, standing } from './sending.js';

/** @import {Image} from '../types' */
/** @import {Upload} from './list.js' */

/** The time, while an upload waits for its next attempt. */
export const moment = signal(Date.now());

/** How long a registration may take, milliseconds. Its ISO may have to be digested. */
const REGISTRATION = 600_000;

/**
 * Uploads that are sent at once, by all windows; but each window sends one. More would share the same network
 * and end later, and take all connections that a browser keeps to a server by HTTP/1.1: six.
 */
const AT_ONCE = 3;
/**
 * What is sent at once where a proxy takes no more, bytes: nginx takes 1 MiB by default, others less. Without
 * such a proxy, all of the rest is one body.
 */
const PIECES = [1_000_000, 250_000, 60_000];
/** How often progress is shown, milliseconds. */
const TICK = 500;
/** Pauses before another attempt, milliseconds; they start over when bytes get through. */
const PAUSES = [1000, 2000, 4000, 8000, 15_000, 30_000];
/**
 * How long a connection may take no byte, and how long the service may take to finish a file, milliseconds.
 */
const STALL = 60_000;
const FINISH = 15 * 60_000;
/**
 * Statuses that may pass, and after how many attempts without a byte each is final.
 * @type {Record<number, number>}
 */
const PASSING = { 0: Infinity, 408: Infinity, 409: 3, 423: Infinity, 429: Infinity, 500: 5, 502: Infinity, 503: Infinity, 504: Infinity };

/** Starts as many uploads as may send at once, and asks the questions of all. */
export function next() {
  if (!isLoaded.value) return;
  const sent = uploads.value.filter((one) => one.state === 'sending' || one.state === 'finishing').length;
  const elsewhere = uploads.value.filter((one) => one.state === 'elsewhere' && !one.paused).length;
  let places = Math.max(AT_ONCE - sent - elsewhere, sent > 0 ? 0 : 1);
  for (const upload of uploads.value.filter((one) => one.state === 'waiting')) {
    const mine = work(upload.key);
    if (upload.stored) {
      void register(upload.key);
    } else if (places > 0 || !mine.isExamined) {
      mine.isExamined = true;
      const asks = question(upload);
      if (asks) {
        ask({ ...upload, question: asks });
      } else if (places > 0) {
        places -= 1;
        begin(upload);
      }
    }
  }
}

/** @param {Upload} upload */
function ask(upload) {
  change(upload.key, { state: 'asking', question: upload.question });
  say(`${upload.name}: ${questionOf(upload)}`);
}

/** @param {Upload} upload */
function begin(upload) {
  const { key, size } = upload;
  const mine = work(key);
  if (!mine.file) {
    change(key, { state: 'stopped' });
    return;
  }
  const before = upload.id ? upload.before : (files[upload.store].value.get(upload.name)?.uploaded ?? undefined);
  mine.speed.start(upload.done);
  change(key, { state: 'sending', before, rate: null, secondsLeft: null, reason: undefined, status: undefined, until: undefined });
  mine.stop = send({ ...upload, before }, mine.file, mine.piece, {
    created: (id) => change(key, { id }),
    progressed: (done) => {
      mine.speed.note(done);
      if (done > upload.done) mine.attempts = 0;
      if (done >= size && find(key)?.state === 'sending') change(key, { state: 'finishing', done, rate: null, secondsLeft: null });
    },
    ended: () => complete(key),
    failed: (error) => void failed(key, error),
  });
}

/** All bytes are in the store. @param {string} key */
export function complete(key) {
  const upload = find(key);
  if (!upload) return;
  works.get(key)?.halt();
  change(key, { stored: true, done: upload.size, state: upload.image ? 'registering' : 'done', reason: undefined, paused: false });
  if (upload.image) {
    void register(key);
  } else {
    end(upload);
    report(text.uploads.stored(upload.name), upload.name);
  }
  next();
}

/** Adds the image that the file was uploaded for. @param {string} key */
async function register(key) {
  const upload = find(key);
  if (!upload?.image) return;
  const { name, version, tree, checksum } = upload.image;
  change(key, { state: 'registering', reason: undefined });
  try {
    const image = await api.request('PUT', 'images', { name, version, isostore: upload.name, sha256: upload.sha256, tree, checksum }, AbortSignal.timeout(REGISTRATION));
    learn(image);
    added(upload, image);
  } catch (error) {
    // An answer may have been lost on its way.
    const known = [...images.value.values()].find((image) => image.name === name && image.version === version && image.iso === upload.name && image.status === 'OK');
    if (known && error instanceof api.ApiError && error.status === 409) added(upload, known);
    else fail(key, error instanceof api.ApiError ? new api.ApiError(error.message.replace(/^`\w+`: /, ''), error.status) : error);
  }
}

/** @param {Upload} upload @param {Image} image */
function added(upload, image) {
  change(upload.key, { state: 'done', added: image.id });
  end(upload);
  report(text.uploads.added(title(image)), title(image));
}

/** Announces success. Where the list is shown, it tells so itself. @param {string} words @param {string} about */
function report(words, about) {
  if (route.value.path[0] !== 'files') {
    tell(words, about);
    return;
  }
  withdraw(about);
  say(words);
}

/** An attempt to send failed: finds out why. @param {string} key @param {api.ApiError} error */
async function failed(key, error) {
  const mine = work(key);
  mine.halt();
  const isGone = error.status === 0 && !(await isReadable(mine.file));
  // Meanwhile the user may have paused it.
  if (find(key)?.state === 'paused') return;
  if (isGone) {
    mine.file = undefined;
    change(key, { state: 'stopped', reason: text.uploads.unreadable, hasHandle: false });
    next();
    return;
  }
  if (error.isForeign) {
    foreign(key, error);
    return;
  }
  if (error.status === 404 || error.status === 410) {
    await lost(key);
    return;
  }
  // A digest that does not match leaves nothing on the service.
  if (error.status === 422) forgotten(key);
  fail(key, error);
}

/** A proxy refused it. One that takes no bodies of this size may take smaller ones. @param {string} key @param {api.ApiError} error */
function foreign(key, error) {
  const mine = work(key);
  const smaller = PIECES.find((piece) => piece < mine.piece);
  if (error.status !== 413 || !smaller) {
    fail(key, error);
    return;
  }
  mine.piece = smaller;
  change(key, { state: 'waiting' });
  next();
}

/**
 * The service no longer knows the upload: it is complete and the answer was lost, or it was removed.
 * @param {string} key
 */
async function lost(key) {
  const upload = find(key);
  if (!upload) return;
  try {
    if ((await standing(upload)) === 'stored') {
      complete(key);
      return;
    }
    if (find(key)?.state === 'paused') return;
  } catch (error) {
    fail(key, error);
    return;
  }
  forgotten(key);
  fail(key, new api.ApiError(text.uploads.begunAgain, 0));
}

/** The service has none of its bytes any more. @param {string} key */
function forgotten(key) {
  work(key).speed.start(0);
  change(key, { id: undefined, done: 0 });
}

/** @param {File | undefined} file */
async function isReadable(file) {
  try {
    await file?.slice(0, 1).arrayBuffer();
    return file !== undefined;
  } catch {
    return false;
  }
}

/** Schedules the next attempt, or fails. @param {string} key @param {unknown} error */
export function fail(key, error) {
  const upload = find(key);
  if (!upload) return;
  const mine = work(key);
  mine.halt();
  const { message, status, isForeign } = error instanceof api.ApiError ? error : new api.ApiError(String(error), 400);
  mine.attempts += 1;
  const done = Math.min(upload.size, Math.max(upload.done, mine.speed.done));
  if (mine.attempts > (PASSING[status] ?? 0)) {
    // The advice on a status is about the service's own answers.
    change(key, { state: 'failed', reason: message, status: isForeign ? 0 : status, done, rate: null, secondsLeft: null });
  } else {
    const pause = PAUSES[Math.min(mine.attempts, PAUSES.length) - 1];
    const reason = isForeign ? message : status === 0 ? (navigator.onLine ? message : text.uploads.offline) : text.uploads.says(message);
    change(key, { state: 'retrying', reason, status: isForeign ? 0 : status, until: Date.now() + pause, done, rate: null, secondsLeft: null });
    mine.again = setTimeout(() => retry(key), pause);
  }
  next();
}

/** Tries again now. @param {string} key */
export function retry(key) {
  const upload = find(key);
  if (!upload || !['retrying', 'failed'].includes(upload.state)) return;
  clearTimeout(work(key).again);
  if (upload.state === 'failed') work(key).attempts = 0;
  change(key, { state: upload.stored || works.get(key)?.file ? 'waiting' : 'stopped' });
  next();
}

/** Uploads that wait for the service or the network try at once. */
function hurry() {
  for (const { key, state, status } of uploads.value) if (state === 'retrying' && status === 0) retry(key);
}

setInterval(() => {
  const now = Date.now();
  if (uploads.value.some((one) => one.state === 'retrying')) moment.value = now;
  for (const { key, state, size } of uploads.value) {
    if (state !== 'sending' && state !== 'finishing') continue;
    const { speed } = work(key);
    if (speed.silence > (state === 'sending' ? STALL : FINISH)) void failed(key, new api.ApiError(text.uploads.stalled, 0));
    else if (state === 'sending' && speed.done > 0) change(key, { done: speed.done, rate: speed.rate, secondsLeft: speed.left(size) });
  }
}, TICK);

const isGoing = computed(() => uploads.value.some((one) => one.state === 'sending'));
/** @param {Event} event */
const warn = (event) => event.preventDefault();
effect(() => (isGoing.value ? addEventListener : removeEventListener)('beforeunload', warn));
effect(() => void (isLoaded.value && untracked(next)));
effect(() => void (connection.value === 'live' && untracked(hurry)));
addEventListener('online', hurry);
