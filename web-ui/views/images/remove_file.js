// The question before a file is deleted, which names what will stop working, or why it cannot be.
import { useState } from 'preact/hooks';
import * as api from '../../lib/api.js';
import { filePath, fileUrl } from '../../lib/image.js';
import { files, forget } from '../../lib/live.js';
import { useMachines } from '../../lib/machines.js';
import { attempt, tell } from '../../parts/announce.js';
import { Dialog } from '../../parts/dialog.js';
import { html } from '../../parts/html.js';
import { text } from '../../text.js';
import { Sharers, Users } from './file_parts.js';

/** @import {StoredFile, Store} from '../../types' */

/** @param {{store: Store, file: StoredFile, onClose: () => void}} props */
export const RemoveFile = ({ store, file, onClose }) =>
  file.images?.length ? html`<${Refusal} file=${file} onClose=${onClose} />` : html`<${Question} store=${store} file=${file} onClose=${onClose} />`;

/** @param {{file: StoredFile, onClose: () => void}} props */
function Refusal({ file, onClose }) {
  const { removing } = text.files;
  return html`
    <${Dialog} title=${removing.refusedTitle(file.name)} onClose=${onClose}>
      <p>${removing.used(file.images?.length ?? 0)}</p>
      <${Users} file=${file} />
      ${file.local && html`<p class="dim">${removing.localUsed}</p>`}
      <footer><button type="button" onClick=${onClose} autofocus>${text.close}</button></footer>
    <//>
  `;
}

/** @param {{store: Store, file: StoredFile, onClose: () => void}} props */
function Question({ store, file, onClose }) {
  const { removing } = text.files;
  const { name } = file;
  const [isBusy, setBusy] = useState(false);
  const url = fileUrl(store, name);
  const machines = useMachines(filePath(store, name));
  const remove = async () => {
    setBusy(true);
    const done = await attempt(() => api.request('DELETE', store, { name }));
    setBusy(false);
    if (!done) return;
    tell(removing.done(name), name);
    onClose();
    forget(files[store], name);
  };
  return html`
    <${Dialog} title=${removing.title(name)} onClose=${onClose}>
      <p>${removing.url}</p>
      <p class="url"><code>${url}</code></p>
      ${machines > 0 && html`<p class="wrong">${removing.fetching(machines)}</p>`}
      <p class="dim">${file.local ? removing.local : removing.forever}</p>
      ${file.sharedWith?.length && html`<p class="dim">${removing.shared}</p><${Sharers} others=${file.sharedWith} />`}
      <footer>
        <button type="button" onClick=${onClose} autofocus>${text.cancel}</button>
        <button type="button" class="danger solid" disabled=${isBusy} onClick=${remove}>${removing.confirm}</button>
      </footer>
    <//>
  `;
}
