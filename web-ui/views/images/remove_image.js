// The question before an image is deleted, which names what will stop working.
import { useState } from 'preact/hooks';
import * as api from '../../lib/api.js';
import { repository, state, title } from '../../lib/image.js';
import { forget, images } from '../../lib/live.js';
import { useMachines } from '../../lib/machines.js';
import { go, route } from '../../lib/route.js';
import { attempt, tell } from '../../parts/announce.js';
import { Dialog } from '../../parts/dialog.js';
import { html } from '../../parts/html.js';
import { text } from '../../text.js';

/** @import {Image} from '../../types' */

/** @param {{image: Image, onClose: () => void}} props */
export function RemoveImage({ image, onClose }) {
  const [isBusy, setBusy] = useState(false);
  const name = title(image);
  const machines = useMachines(image.path);
  const remove = async () => {
    setBusy(true);
    const done = await attempt(() => api.request('DELETE', 'images', { id: image.id }));
    setBusy(false);
    if (!done) return;
    tell(text.remove.done(name), name);
    onClose();
    forget(images, image.id);
    if (route.value.path[1] === image.id) go(['images']);
  };
  return html`
    <${Dialog} title=${text.remove.title(name)} onClose=${onClose}>
      ${
        state(image) === 'ready' &&
        html`<p>${text.remove.url}</p>
          <p class="url"><code>${repository(image)}/</code></p>`
      }
      ${machines > 0 && html`<p class="wrong">${text.remove.installing(machines)}</p>`}
      ${state(image) === 'working' && html`<p>${text.remove.download}</p>`}
      ${state(image) === 'failed' && html`<p>${text.remove.failed}</p>`}
      ${state(image) === 'ready' && html`<p class="dim">${image.source === 'local' ? text.remove.staysLocal(image.iso) : text.remove.stays(image.iso)}</p>`}
      <footer>
        <button type="button" onClick=${onClose} autofocus>${text.cancel}</button>
        <button type="button" class="danger solid" disabled=${isBusy} onClick=${remove}>${text.remove.confirm}</button>
      </footer>
    <//>
  `;
}
