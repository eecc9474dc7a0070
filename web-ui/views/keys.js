// The list of shortcuts.
import { areOn, turn } from '../lib/keys.js';
import { Dialog } from '../parts/dialog.js';
import { html } from '../parts/html.js';
import { text } from '../text.js';

/** @param {{onClose: () => void}} props */
export const Keys = ({ onClose }) => html`
  <${Dialog} title=${text.keys.title} onClose=${onClose}>
    <dl class="keys">${text.keys.list.map(([key, what]) => html`<div key=${key}><dt>${key.split(' ').map((one) => html`<kbd>${one}</kbd> `)}</dt><dd>${what}</dd></div>`)}</dl>
    <label class="check"><input type="checkbox" checked=${areOn.value} onChange=${(/** @type {any} */ event) => turn(event.currentTarget.checked)} />${text.keys.enabled}</label>
  <//>
`;
