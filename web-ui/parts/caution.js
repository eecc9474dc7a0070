// The warning that machines cannot follow the URLs that are shown.
import { loopback } from '../lib/image.js';
import { text } from '../text.js';
import { html } from './html.js';
import { Icon } from './icon.js';

export const Caution = () =>
  loopback.value && html`<p class="caution"><${Icon} name="warning" /><span>${text.loopback.own(loopback.value)} ${text.loopback.set[0]}<code>southboundUrl</code>${text.loopback.set[1]}</span></p>`;
