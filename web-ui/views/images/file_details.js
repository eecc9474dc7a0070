// All that is known of one file, also on screens that are too narrow to show it in the list.
import { size } from '../../lib/format.js';
import { fileUrl } from '../../lib/image.js';
import { files } from '../../lib/live.js';
import { adjust, href, route } from '../../lib/route.js';
import { Caution } from '../../parts/caution.js';
import { Copy } from '../../parts/copy.js';
import { Dialog } from '../../parts/dialog.js';
import { html } from '../../parts/html.js';
import { Icon } from '../../parts/icon.js';
import { Time } from '../../parts/time.js';
import { text } from '../../text.js';
import { FileStatus, Sharers, Users, removing } from './file_parts.js';

/** @import {Store} from '../../types' */

/** @param {{store: Store, name: string}} props */
export function FileDetails({ store, name }) {
  const file = files[store].value.get(name);
  const close = () => adjust({ file: null });
  if (!file) return html`<${Dialog} title=${name} onClose=${close}><p>${text.files.gone}</p><footer><button type="button" onClick=${close}>${text.close}</button></footer><//>`;
  const { facts } = text.files;
  const url = fileUrl(store, name);
  /** @type {[string, any][]} */
  const rows = [
    [facts.url, html`<span class="copied"><a href=${url} target="_blank" rel="noreferrer" class="wrap mono">${url}</a><${Copy} value=${url} what=${text.files.copyUrl(name)} /></span>`],
    [facts.size, text.files.exactly(size(file.bytes), file.bytes)],
    [facts.status, html`<${FileStatus} store=${store} file=${file} />`],
    [facts.uploaded, file.uploaded && html`<${Time} stamp=${file.uploaded} />`],
    [facts.origin, file.origin && text.files.origins[/** @type {'upload'} */ (file.origin)]],
    [facts.link, file.url && html`<span class="wrap">${file.url}</span>`],
    [facts.used, store === 'iso' && (file.images?.length ? html`<${Users} file=${file} />` : text.files.unused)],
    [facts.shared, file.sharedWith?.length && html`<${Sharers} others=${file.sharedWith} />`],
    [facts.sha256, file.sha256 && html`<span class="copied"><code class="wrap">${file.sha256}</code><${Copy} value=${file.sha256} what=${text.sha256} /></span>`],
  ];
  return html`
    <${Dialog} title=${html`<bdi>${name}</bdi>`} onClose=${close} wide>
      <dl class="facts">${rows.filter(([, value]) => value).map(([label, value]) => html`<div key=${label}><dt>${label}</dt><dd>${value}</dd></div>`)}</dl>
      <${Caution} />
      <footer>
        ${store === 'iso' && html`<a class="button small" href=${href(['files'], { ...Object.fromEntries(route.value.query), file: null, add: 'store', iso: name })}><${Icon} name="disc" />${text.files.addShort}</a>`}
        <button type="button" class="small danger" onClick=${() => (removing.value = { store, name }, close())}><${Icon} name="remove" />${text.files.removeShort}</button>
      </footer>
    <//>
  `;
}
