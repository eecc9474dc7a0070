// Answers and headers that several operations share are components of the document.

/** @import {Reference} from './openapi.js' */

/**
 * The component that a reference leads to, or the object itself. A description beside the reference wins.
 * @template T @param {Record<string, T> | undefined} components @param {T | Reference} object @returns {T}
 */
export function resolved(components = {}, object) {
  const { $ref, ...own } = /** @type {any} */ (object);
  return $ref ? { ...components[$ref.split('/').pop()], ...own } : own;
}

/**
 * The same keys with other values.
 * @template T, U @param {Record<string, T> | undefined} record @param {(value: T) => U} change @returns {Record<string, U>}
 */
export const mapped = (record = {}, change) => Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
