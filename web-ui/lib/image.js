// Images in words for the user.
import { computed } from '@preact/signals';
import { text } from '../text.js';
import { about, jobOfImage, jobs } from './live.js';

/** @import {Image, Job} from '../types' */

/** @param {{name: string, version: string}} image */
export const title = (image) => `${image.name} ${image.version}`;

/** @typedef {'ready' | 'working' | 'failed'} State */

/** @param {{status: string}} thing @returns {State} */
export const state = ({ status }) => (status === 'OK' ? 'ready' : status.startsWith('error') ? 'failed' : 'working');

/** Why it failed. @param {{status: string}} thing */
export const reason = ({ status }) => status.replace(/^error: /, '');

/** The system that was found in it, in short. @param {Image} image */
export const system = ({ system }) => [system?.name, system?.version].filter(Boolean).join(' ');

/** The kind of the file and which names in it are served. @param {Image} image */
export function kind({ tree }) {
  if (!tree?.kind) return '';
  return text.image.trees[/** @type {keyof typeof text.image.trees} */ (tree.kind)] ?? tree.kind;
}

/** The job of an image that runs, or ran last. @param {Image} image @returns {Job | undefined} */
export const job = (image) => jobOfImage.value.get(image.id) ?? (image.job ? jobs.value.get(image.job) : undefined);

/** Where machines find something, by its path from the southbound's root. @param {string} path */
export function southbound(path) {
  const { southboundUrl: base, southbound: prefix } = about.value ?? {};
  if (!base) return path;
  // Paths come with the southbound's prefix, which its URL has as well.
  const below = prefix && path.startsWith(prefix) ? path.slice(prefix.length) : path.replace(/^\//, '');
  return base + below;
}

/** The host of the southbound's URL, if it is each machine's own address or none at all. */
export const loopback = computed(() => {
  const { hostname } = new URL(about.value?.southboundUrl ?? 'http://none');
  return /^(127\.|0\.0\.0\.0$|localhost$|\[::1?\]$|\[::ffff:7f)|\.localhost$/.test(hostname) ? hostname : null;
});

/** The URL of its tree, as RackHD wants it: without a slash at its end. @param {Image} image */
export const repository = (image) => southbound(image.path).replace(/\/$/, '');

/** The southbound path of a file of a store. @param {'iso' | 'microkernel'} store @param {string} name */
export const filePath = (store, name) => `${about.value?.southbound ?? '/'}${store === 'iso' ? 'iso' : 'common'}/${encodeURIComponent(name)}`;

/** The URL of a file of a store. @param {'iso' | 'microkernel'} store @param {string} name */
export const fileUrl = (store, name) => southbound(filePath(store, name));
