// File handles, in browsers that have them. With a handle a file can be read after a reload without being
// chosen again.
import { root } from '../lib/api.js';

const STORE = 'handles';

/** @returns {Promise<IDBDatabase>} */
function open() {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(`image-service ${root.pathname}`, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(opening.error);
  });
}

/**
 * Runs one request on the stored handles. Uploads work without them, so errors are not shown.
 * @param {IDBTransactionMode} mode
 * @param {(store: IDBObjectStore) => IDBRequest} action
 */
async function within(mode, action) {
  try {
    const database = await open();
    const request = action(database.transaction(STORE, mode).objectStore(STORE));
    return await new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    }).finally(() => database.close());
  } catch {
    return undefined;
  }
}

/** @param {string} key @param {FileSystemFileHandle} handle */
export const keep = (key, handle) => within('readwrite', (store) => store.put(handle, key));

/** @param {string} key @returns {Promise<FileSystemFileHandle | undefined>} */
export const find = (key) => within('readonly', (store) => store.get(key));

/** @param {string} key */
export const forget = (key) => within('readwrite', (store) => store.delete(key));

/**
 * The file behind a handle, if the browser allows it. It can ask the user only right after a click or key.
 * @param {FileSystemFileHandle} handle
 * @param {{ask: boolean}} how
 * @returns {Promise<File | 'refused' | 'gone'>}
 */
export async function fileOf(handle, { ask }) {
  try {
    // Not all browsers have this, so the types lack it.
    const asking = /** @type {any} */ (handle);
    const options = { mode: 'read' };
    const leave = ask ? await asking.requestPermission?.(options) : await asking.queryPermission?.(options);
    if (leave !== undefined && leave !== 'granted') return 'refused';
    return await handle.getFile();
  } catch (error) {
    return error instanceof DOMException && error.name === 'NotFoundError' ? 'gone' : 'refused';
  }
}
