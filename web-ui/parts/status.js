// The status of an image or a file.
import { reason, state } from '../lib/image.js';
import { text } from '../text.js';
import { html } from './html.js';

/** @import {Job} from '../types' */

/**
 * A word with a colour, and why where it failed. A download may be queued, or wait until it is tried again.
 * @param {{thing: {status: string}, job?: Job}} props
 */
export function Status({ thing, job }) {
  const is = state(thing);
  const { status: words } = text;
  const rests = is === 'working' && (job?.state === 'queued' || job?.state === 'waiting') ? job.state : null;
  const word = is === 'ready' ? words.ready : is === 'failed' ? words.failed : rests ? words[rests] : thing.status === 'preparing' ? words.preparing : words.downloading;
  const status = html`<span class=${`status ${rests ? 'waits' : is}`}><span class="dot" aria-hidden="true"></span><span class="word">${word}</span></span>`;
  if (is !== 'failed') return status;
  return html`<span class="pair">${status}<span class="second why" title=${reason(thing)}>${reason(thing)}</span></span>`;
}
