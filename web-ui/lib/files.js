// What a file of a store means to people.
import { computed } from '@preact/signals';
import { title } from './image.js';
import { images } from './live.js';

/** @import {Image, StoredFile} from '../types' */

/** The images of each ISO, whatever has become of them. */
const imagesByIso = computed(() => Map.groupBy(images.value.values(), (image) => image.iso));

/**
 * Who needs a file, as the service sees it, with the image where it is known.
 * @param {StoredFile} file
 * @returns {{words: string, id?: string}[]}
 */
export function users(file) {
  const made = imagesByIso.value.get(file.name) ?? [];
  return (file.images ?? []).map((/** @type {string} */ words) => ({ words, id: made.find((image) => title(image) === words)?.id }));
}
