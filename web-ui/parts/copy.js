// Text that is there to be copied.
import { useState } from 'preact/hooks';
import { copy } from '../lib/clipboard.js';
import { text } from '../text.js';
import { about } from '../lib/live.js';
import { loopback } from '../lib/image.js';
import { complain, say, warn } from './announce.js';
import { html } from './html.js';
import { Icon } from './icon.js';

/** How long a button shows that it was pressed, milliseconds. */
const SHOWN = 1600;

/**
 * A button that copies `value`. `what` names it: "repository URL".
 * @param {{value: string, what: string, labelled?: boolean}} props
 */
export function Copy({ value, what, labelled = false }) {
  const [done, setDone] = useState(false);
  const press = async () => {
    if (!(await copy(value))) {
      complain(text.copy.failed);
      return;
    }
    setDone(true);
    say(text.copy.done(what));
    const base = about.value?.southboundUrl;
    if (loopback.value && base && value.includes(base)) warn(text.loopback.copied(loopback.value), 'loopback');
    setTimeout(() => setDone(false), SHOWN);
  };
  return html`
    <button type="button" class=${`${labelled ? 'small' : 'plain'} copy${done ? ' done' : ''}`} title=${text.copy.verb(what)} aria-label=${text.copy.verb(what)} onClick=${press}>
      <${Icon} name=${done ? 'check' : 'copy'} />${labelled && html`<span>${done ? text.copy.short : text.copy.label}</span>`}
    </button>
  `;
}

/**
 * Lines to be copied as they are.
 * @param {{value: string, what: string}} props
 */
export const Code = ({ value, what }) => html`
  <div class="code">
    <pre tabindex="0" aria-label=${what}><code>${value}</code></pre>
    <${Copy} value=${value} what=${what} labelled />
  </div>
`;

/**
 * A digest: its beginning, and all of it to copy.
 * @param {{sha256: string | null | undefined}} props
 */
export const Digest = ({ sha256 }) =>
  sha256
    ? html`<span class="digest"><code title=${sha256}>${sha256.slice(0, 12)}…</code><${Copy} value=${sha256} what=${text.sha256} /></span>`
    : html`<span class="dim">–</span>`;
