// The browser's storage of this page. Where site data is blocked, it lasts as long as the page.

/** @type {Map<string, string>} */
const instead = new Map();

/** @returns {Storage | null} */
function real() {
  try {
    return localStorage;
  } catch {
    return null;
  }
}

/** @param {string} key */
export const read = (key) => real()?.getItem(key) ?? instead.get(key) ?? null;

/** Keeps a value; in memory alone if the storage is full. @param {string} key @param {string} value */
export function write(key, value) {
  try {
    localStorage.setItem(key, value);
    instead.delete(key);
  } catch {
    instead.set(key, value);
  }
}

/** @param {string} key */
export function remove(key) {
  real()?.removeItem(key);
  instead.delete(key);
}

export const keys = () => [...Object.keys(real() ?? {}), ...instead.keys()];
