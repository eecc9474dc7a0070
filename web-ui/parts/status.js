// The status of an image or a file.
import { reason, state } from '../lib/image.js';
import { text } from '../text.js';
import { html } from './html.js';

/**
 * A word with a colour, and why where it failed.
 * @param {{thing: {status: string}}} props
 */
export function Status({ thing }) {
  const is = state(thing);
  const word =
    is === 'ready' ? text.status.ready : is === 'failed' ? text.status.failed : thing.status === 'preparing' ? text.status.preparing : text.status.downloading;
  const status = html`<span class=${`status ${is}`}><span class="dot" aria-hidden="true"></span><span class="word">${word}</span></span>`;
  if (is !== 'failed') return status;
  return html`<span class="pair">${status}<span class="second why" title=${reason(thing)}>${reason(thing)}</span></span>`;
}
