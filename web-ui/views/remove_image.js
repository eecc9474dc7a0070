// The question before an image is deleted, which names what will stop working.
import { useEffect, useState } from 'preact/hooks';
import * as api from '../lib/api.js';
import { repository, state, title } from '../lib/image.js';
import { forget, images } from '../lib/live.js';
import { go, route } from '../lib/route.js';
import { attempt, tell } from '../parts/announce.js';
import { Dialog } from '../parts/dialog.js';
import { html } from '../parts/html.js';
import { text } from '../text.js';

/** @import {Image, Transfers} from '../types' */

/** @param {{image: Image, onClose: () => void}} props */
export function RemoveImage({ image, onClose }) {
  const [isBusy, setBusy] = useState(false);
  const [clients, setClients] = useState(0);
  const name = title(image);
  useEffect(() => {
    const asked = new AbortController();
    api.get('transfers', {}, asked.signal).then(
      (/** @type {Transfers} */ { running }) => setClients(new Set(running.filter((one) => one.path.startsWith(image.path)).map((one) => one.client.replace(/:\d+$/, ''))).size),
      () => {},
    );
    return () => asked.abort();
  }, [image.path]);
  const remove = async () => {
    setBusy(true);
    const done = await attempt(() => api.request('DELETE', 'images', { id: image.id }));
    setBusy(false);
    if (!done) return;
    tell(text.remove.done(name));
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
      ${clients > 0 && html`<p class="wrong">${text.remove.installing(clients)}</p>`}
      ${state(image) === 'working' && html`<p>${text.remove.download}</p>`}
      ${state(image) === 'ready' && html`<p class="dim">${image.source === 'local' ? text.remove.staysLocal(image.iso) : text.remove.stays(image.iso)}</p>`}
      <footer>
        <button type="button" onClick=${onClose} autofocus>${text.cancel}</button>
        <button type="button" class="danger solid" disabled=${isBusy} onClick=${remove}>${text.remove.confirm}</button>
      </footer>
    <//>
  `;
}
