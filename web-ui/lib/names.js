// The service's rules for names, so that a user sees at once what is wrong with one. The service decides.
import { text } from '../text.js';

const MOST_BYTES = 255;
const RESERVED = ['iso', 'common', 'gui'];
const bytes = new TextEncoder();
/** What no name may hold. */
const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f/\\`$;|&<>*?"']/u;


/**
 * What is wrong with a name; nothing if it is good.
 * @param {string} name
 * @param {{reserved?: boolean}} [rules] `reserved`: it names an image, and so a folder beside the service's own
 */
export function complaint(name, { reserved = false } = {}) {
  const { names } = text;
  if (name === '') return names.empty;
  const length = bytes.encode(name).length;
  if (length > MOST_BYTES) return names.long(length, MOST_BYTES);
  if (name === '.' || name === '..') return names.dots;
  if (name.startsWith('-')) return names.dash;
  if (name.trim() !== name) return names.space;
  const forbidden = name.match(FORBIDDEN);
  if (forbidden) return names.forbidden(forbidden[0]);
  if (reserved && RESERVED.includes(name.toLowerCase())) return names.reserved(name);
  return '';
}

/** A name like this one that is allowed, or nothing. @param {string} name */
export const cleaned = (name) => name.replace(new RegExp(`${FORBIDDEN.source}+`, 'gu'), '-').replace(/^[-.\s]+|\s+$/g, '');

/**
 * A name and a version that a file's name suggests: `ubuntu-24.04.1-live-server-amd64.iso` is ubuntu 24.04.1.
 * @param {string} file
 */
export function suggestion(file) {
  const stem = file.replace(/\.(iso|img|squashfs|tar)$/i, '').replace(/[^\p{L}\p{N}._+~-]+/gu, '-');
  const found = stem.match(/^(.*?)[-_.]v?(\d+(?:\.\d+)*(?:[._-]?(?:rc|beta|alpha|u|update|sp)\d*)?)/i);
  const [name, version] = found ? [found[1], found[2]] : [stem, ''];
  const clean = name.toLowerCase().replace(/^[-_.]+|[-_.]+$/g, '');
  return { name: complaint(clean, { reserved: true }) ? '' : clean, version };
}
