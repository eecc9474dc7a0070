// What is going on.
import { html } from '../parts/html.js';
import { text } from '../text.js';

export const Activity = () => html`<div class="head"><h1>${text.nav.activity}</h1></div>`;
