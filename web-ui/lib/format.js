// Numbers, sizes and times as text.
import { signal } from '@preact/signals';

const UNITS = ['B', 'KB', 'MB', 'GB', 'TB', 'PB'];
const whole = new Intl.NumberFormat('en');

/** A path, percent-decoded; unchanged if that is not UTF-8. @param {string} text */
export function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** @param {number} number */
export const count = (number) => whole.format(number);

/**
 * A size in decimal units, as the service itself tells them.
 * @param {number} bytes
 */
export function size(bytes) {
  let [value, unit] = [bytes, 0];
  while (value >= 999.5 && unit < UNITS.length - 1) [value, unit] = [value / 1000, unit + 1];
  const digits = unit === 0 || value >= 99.5 ? 0 : value >= 9.95 ? 1 : 2;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** @param {number} bytesPerSecond */
export const rate = (bytesPerSecond) => `${size(bytesPerSecond)}/s`;

/** @param {number} seconds */
export function duration(seconds) {
  const left = Math.max(0, Math.round(seconds));
  if (left < 60) return `${left} s`;
  if (left < 3600) return `${Math.floor(left / 60)} min ${left % 60 ? `${left % 60} s` : ''}`.trim();
  if (left < 86_400) return `${Math.floor(left / 3600)} h ${Math.floor((left % 3600) / 60)} min`;
  return `${Math.floor(left / 86_400)} d ${Math.floor((left % 86_400) / 3600)} h`;
}

/** The time now, updated often enough for relative times. */
export const now = signal(Date.now());
setInterval(() => (now.value = Date.now()), 15_000);

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto', style: 'short' });
const STEPS = /** @type {const} */ ([
  ['minute', 60],
  ['hour', 3600],
  ['day', 86_400],
]);

/**
 * How long ago something was, or its day if that is long.
 * @param {string} stamp
 */
export function ago(stamp) {
  const seconds = (Date.parse(stamp) - Math.max(now.value, Date.now())) / 1000;
  if (Number.isNaN(seconds)) return stamp;
  if (Math.abs(seconds) < 45) return 'just now';
  if (Math.abs(seconds) >= 7 * 86_400) return stamp.slice(0, 10);
  const [unit, length] = STEPS.findLast(([, length]) => Math.abs(seconds) >= length * 0.95) ?? STEPS[0];
  return relative.format(Math.round(seconds / length), unit);
}

/** @param {string} stamp */
export const exact = (stamp) => `${stamp.slice(0, 10)} ${stamp.slice(11, 19)} UTC`;

/** The day and the time of a stamp, as clocks here show them. @param {string} stamp */
export const moment = (stamp) => new Date(stamp).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });

/** The time of day of a stamp, where the day goes without saying. @param {string} stamp */
export const clock = (stamp) => new Date(stamp).toLocaleTimeString('en-GB');
