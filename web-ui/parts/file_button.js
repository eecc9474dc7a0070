// A button that lets files be chosen: the browser's own field, dressed as a button.
import { html } from './html.js';
import { Icon } from './icon.js';

/** @import {Picked} from '../uploads/queue.js' */

/**
 * @param {{label: string, name?: string, onPick: (picked: Picked[]) => void, multiple?: boolean, className?: string, describedBy?: string, isWrong?: boolean}} props
 * `name` is its accessible name, where its label is not clear by itself.
 */
export function FileButton({ label, name, onPick, multiple = false, className = '', describedBy, isWrong = false }) {
  /** @param {MouseEvent} event */
  const onClick = async (event) => {
    const choose = /** @type {any} */ (globalThis).showOpenFilePicker;
    if (!choose) return;
    // With a handle the file can be read again after a reload.
    event.preventDefault();
    const field = /** @type {HTMLInputElement} */ (event.currentTarget);
    try {
      /** @type {FileSystemFileHandle[]} */
      const handles = await choose({ multiple });
      onPick(await Promise.all(handles.map(async (handle) => ({ file: await handle.getFile(), handle }))));
    } catch (error) {
      // If the browser refuses this, the field remains.
      if (!(error instanceof DOMException && error.name === 'AbortError')) field.showPicker?.();
    }
  };
  /** @param {Event} event */
  const onChange = (event) => {
    const field = /** @type {HTMLInputElement} */ (event.currentTarget);
    const picked = [...(field.files ?? [])].map((file) => ({ file }));
    // The same file may be chosen once more.
    field.value = '';
    if (picked.length > 0) onPick(picked);
  };
  return html`
    <label class=${`button choose ${className}`}>
      <${Icon} name="upload" /><span aria-hidden=${name ? 'true' : undefined}>${label}</span>
      <input type="file" class="offscreen" multiple=${multiple} aria-label=${name} aria-describedby=${describedBy} aria-invalid=${isWrong ? 'true' : undefined} onClick=${onClick} onChange=${onChange} />
    </label>
  `;
}
