// A moment, told from now; the exact time is in its title.
import { ago, exact } from '../lib/format.js';
import { html } from './html.js';

/** @param {{stamp: string | null | undefined}} props */
export const Time = ({ stamp }) =>
  stamp ? html`<time datetime=${stamp} title=${exact(stamp)}>${ago(stamp)}</time>` : html`<span class="dim">–</span>`;
