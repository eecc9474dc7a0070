// What can be done about an image that is coming or failed.
import * as api from '../../lib/api.js';
import { job, state, title } from '../../lib/image.js';
import { href, route } from '../../lib/route.js';
import { attempt, tell } from '../../parts/announce.js';
import { html } from '../../parts/html.js';
import { Icon } from '../../parts/icon.js';
import { text } from '../../text.js';

/** @import {Image} from '../../types' */

/**
 * Buttons to cancel or retry; nothing where neither makes sense.
 * @param {{image: Image, labelled?: boolean}} props
 */
export function ImageActions({ image, labelled = false }) {
  const [work, is, name] = [job(image), state(image), title(image)];
  const isOver = !work || ['done', 'failed', 'cancelled'].includes(work.state);
  /** @param {string} words @param {'cancel' | 'retry'} icon @param {() => void} act @param {string} label @param {string} [spare] */
  const button = (words, icon, act, label, spare = '') =>
    html`<button type="button" class=${labelled ? 'small' : `plain ${spare}`} title=${words} aria-label=${words} onClick=${act}><${Icon} name=${icon} />${labelled && label}</button>`;
  const stop = () => attempt(async () => (await api.request('DELETE', `jobs/${api.path(work?.id ?? '')}`), tell(text.images.stopped(name), name)));
  const again = () => attempt(async () => (await api.request('POST', `jobs/${api.path(work?.id ?? '')}/retry`), tell(text.images.retried(name), name)));
  if (work && !isOver) {
    const waits = work.state === 'waiting';
    return html`${waits && button(text.images.retry(name), 'retry', again, text.retry)}${button(text.images.stop(name), 'cancel', stop, text.cancel, waits ? 'spare' : '')}`;
  }
  if (is !== 'failed') return null;
  if (work && work.state !== 'done') return button(text.images.retry(name), 'retry', again, text.retry);
  // There is no job to take up again, so it is asked for anew, with what it was asked for before.
  const source = { web: 'web', local: 'local', client: 'upload', store: 'store' }[image.source] ?? 'store';
  const link = href(route.value.path, { ...Object.fromEntries(route.value.query), add: source, image: image.id });
  return html`<a class=${labelled ? 'button small' : 'plain'} title=${text.images.retry(name)} aria-label=${text.images.retry(name)} href=${link}><${Icon} name="retry" />${labelled && text.retry}</a>`;
}
