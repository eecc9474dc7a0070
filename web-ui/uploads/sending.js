// One attempt to send a file, or the rest of it, by tus. `attempts.js` decides about the next one.
import * as api from '../lib/api.js';
import { text } from '../text.js';

/** @import {Kept} from './kept.js' */
/** @import {Upload, DetailedError} from 'tus-js-client' */

/** The status of an attempt without an answer. */
const NO_ANSWER = 0;

/**
 * @typedef {object} Told
 * @property {(id: string) => void} created the service knows the upload from now on
 * @property {(done: number) => void} progressed bytes that have left this computer
 * @property {() => void} ended all is in the store
 * @property {(error: api.ApiError) => void} failed
 */

/**
 * Begins to send. Returns a function that stops it; no callback is called after that.
 * @param {Kept} upload
 * @param {File} file
 * @param {number} piece the most that one body may have, bytes
 * @param {Told} told
 */
export function send(upload, file, piece, told) {
  let isStopped = false;
  /** @type {Upload | undefined} */
  let sender;
  /** @param {(...all: any[]) => void} tell */
  const unlessStopped = (tell) => (/** @type {any[]} */ ...all) => void (isStopped || tell(...all));
  void load().then(
    (tus) => {
      if (isStopped) return;
      const { name, store, sha256, id } = upload;
      sender = new tus.Upload(file, {
        endpoint: id ? undefined : api.url('uploads').href,
        uploadUrl: id ? uploadUrl(id) : undefined,
        metadata: { name, store, ...(sha256 && { sha256 }) },
        // This page keeps notes and retries itself, because it shows more than tus knows.
        storeFingerprintForResuming: false,
        retryDelays: null,
        chunkSize: piece,
        onUploadUrlAvailable: unlessStopped(() => {
          const known = sender?.url?.split('/').pop() ?? '';
          // The service does not know below which path a proxy has put it.
          if (sender) sender.url = uploadUrl(known);
          told.created(known);
        }),
        onProgress: unlessStopped(told.progressed),
        onSuccess: unlessStopped(() => told.ended()),
        onError: unlessStopped((error) => told.failed(understood(error))),
      });
      sender.start();
    },
    unlessStopped(() => told.failed(new api.ApiError(navigator.onLine ? text.uploads.noEngine : text.uploads.offline, NO_ANSWER))),
  );
  return () => {
    isStopped = true;
    void sender?.abort();
  };
}

/** @param {string} id */
const uploadUrl = (id) => api.url(`uploads/${api.path(id)}`).href;

/** Loads the library, which few visits need. @returns {Promise<typeof import('tus-js-client')>} */
async function load() {
  await import('tus-js-client');
  return /** @type {any} */ (globalThis).tus;
}

/** @param {Error | DetailedError} error */
function understood(error) {
  const answer = 'originalResponse' in error ? error.originalResponse : null;
  if (!answer) return new api.ApiError(text.uploads.unreachable, NO_ANSWER);
  let problem;
  try {
    problem = JSON.parse(answer.getBody());
  } catch {
    // An answer to HEAD has no body, and one of a proxy has another.
  }
  const status = answer.getStatus();
  const refusal = api.refusal(status, (field) => answer.getHeader(field), problem);
  if (!problem && !refusal.isForeign) refusal.message = text.uploads.refusals[/** @type {409} */ (status)] ?? refusal.message;
  return refusal;
}

/**
 * What the service knows of an upload: its offset, that it is complete, or nothing.
 * @param {Kept} upload
 * @returns {Promise<{done: number} | 'stored' | 'unknown'>}
 */
export async function standing({ id, name, store, size, before }) {
  if (id) {
    /** @type {import('../types').UnfinishedUpload[]} */
    const listed = await api.get('uploads');
    const known = listed.find((one) => one.id === id);
    if (known && known.offset < size) return { done: known.offset };
    // All bytes are there; this request makes the service give the file its name.
    if (known) return (await fetch(uploadUrl(id), { method: 'HEAD' })).ok ? 'stored' : { done: size };
  }
  const [file] = await api.get(store, { name });
  return file && id && file.bytes === size && file.uploaded !== before ? 'stored' : 'unknown';
}
