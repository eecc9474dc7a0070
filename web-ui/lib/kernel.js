// The kernel and the initrd in an image, with which machines start its system from the network.
import { useEffect, useState } from 'preact/hooks';
import * as api from './api.js';
import { state } from './image.js';

/** @import {Image, TreeEntry, TreeListing} from '../types' */
/** @typedef {{kernel: string, initrd: string}} Kernel paths below the image, encoded */

const INITRD = /^(initrd|initramfs)/i;
const KERNEL = /^(vmlinuz|linux|bzimage|kernel)/i;
/** Folders that are made for the network. */
const NETWORK = /(^|\/)(pxeboot|netboot|casper)\//;
/** Initrds whose folders are looked into. */
const MOST = 3;

/** @param {TreeEntry} entry */
const isFile = ({ kind }) => kind === 'file';
/** Those for the network first, then those of short paths: others are for special machines. @param {TreeEntry} entry */
const rank = ({ path }) => path.length - (NETWORK.test(path) ? 1000 : 0);

/** @param {Image} image @param {AbortSignal} signal @returns {Promise<Kernel | null>} */
async function find(image, signal) {
  const tree = `images/${api.path(image.id)}/tree`;
  /** @type {TreeListing} */
  const { entries } = await api.get(tree, { search: 'init', limit: 1000 }, signal);
  const initrds = entries.filter((entry) => isFile(entry) && INITRD.test(entry.name)).sort((a, b) => rank(a) - rank(b));
  for (const { path: initrd } of initrds.slice(0, MOST)) {
    /** @type {TreeListing} */
    const folder = await api.get(tree, { path: initrd.replace(/[^/]*$/, ''), limit: 1000 }, signal);
    const kernel = folder.entries.find((entry) => isFile(entry) && KERNEL.test(entry.name));
    if (kernel) return { kernel: kernel.path, initrd };
  }
  return null;
}

/** The kernel of an image: `undefined` while it is not known, `null` if there is none. @param {Image} image */
export function useKernel(image) {
  const [found, setFound] = useState(/** @type {Kernel | null | undefined} */ (undefined));
  const isReady = state(image) === 'ready';
  useEffect(() => {
    setFound(undefined);
    if (!isReady) return;
    const asked = new AbortController();
    find(image, asked.signal).then(setFound, () => {});
    return () => asked.abort();
  }, [image.id, image.updated, isReady]);
  return isReady ? found : null;
}
