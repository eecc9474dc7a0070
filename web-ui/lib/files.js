// Files of the stores in words for the user.
import { computed } from '@preact/signals';
import { title } from './image.js';
import { images } from './live.js';

/** @import {Image, StoredFile} from '../types' */

/** The images of each ISO, whatever has become of them. */
const imagesByIso = computed(() => Map.groupBy(images.value.values(), (image) => image.iso));

/**
 * The images that need a file according to the service, with the image itself where the page knows it.
 * @param {StoredFile} file
 * @returns {{words: string, id?: string}[]}
 */
export function users(file) {
  const made = imagesByIso.value.get(file.name) ?? [];
  return (file.images ?? []).map((/** @type {string} */ words) => ({ words, id: made.find((image) => title(image) === words)?.id }));
}
