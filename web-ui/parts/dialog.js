// A dialog: the browser's own, so that focus stays inside, Escape closes it and focus goes back to where it was.
import { useEffect, useId, useRef } from 'preact/hooks';
import { text } from '../text.js';
import { html } from './html.js';
import { Icon } from './icon.js';

/**
 * @param {{title: string, onClose: () => void, wide?: boolean, children?: any}} props
 */
export function Dialog({ title, onClose, wide = false, children }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const id = useId();
  useEffect(() => {
    const opened = dialog.current;
    const before = document.activeElement;
    opened?.showModal();
    return () => {
      opened?.close();
      if (before instanceof HTMLElement) before.focus();
      // What was focused may be gone by now; whoever uses the keyboard goes on where the view begins.
      setTimeout(() => document.activeElement === document.body && document.querySelector('main')?.focus());
    };
  }, []);
  /** @param {MouseEvent} event */
  const onBackdrop = (event) => event.target === dialog.current && onClose();
  /** @param {Event} event */
  const onCancel = (event) => (event.preventDefault(), onClose());
  return html`
    <dialog ref=${dialog} class=${wide ? 'wide' : ''} aria-labelledby=${id} onCancel=${onCancel} onMouseDown=${onBackdrop}>
      <div class="sheet">
        <header><h2 id=${id}>${title}</h2><button type="button" class="plain" aria-label=${text.close} onClick=${onClose}><${Icon} name="cancel" /></button></header>
        ${children}
      </div>
    </dialog>
  `;
}
