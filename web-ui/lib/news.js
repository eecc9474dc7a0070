// Tells when an image that was coming is ready or failed, whatever view is open.
import { effect } from '@preact/signals';
import { complain, tell } from '../parts/announce.js';
import { text } from '../text.js';
import { job, reason, state, title } from './image.js';
import { images } from './live.js';

/** Begins to watch; to be called once. */
export function watchImages() {
  /** @type {Map<string, string>} */
  let before = new Map();
  effect(() => {
    const now = new Map();
    for (const image of images.value.values()) {
      const is = state(image);
      now.set(image.id, is);
      // The user knows of a job that was cancelled.
      if (before.get(image.id) !== 'working' || is === 'working' || job(image)?.state === 'cancelled') continue;
      if (is === 'ready') tell(text.images.came(title(image)), title(image));
      else complain(text.images.broke(title(image), reason(image)), title(image));
    }
    before = now;
  });
}
