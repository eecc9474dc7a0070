// A dialog of the browser, so that the focus stays inside and returns, and Escape closes it.
import { useEffect, useId, useRef } from 'preact/hooks';
import { text } from '../text.js';
import { enter } from './announce.js';
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
    const leave = opened && enter(opened);
    return () => {
      leave?.();
      opened?.close();
      if (before instanceof HTMLElement) before.focus();
      // The element that had the focus may be gone by now; keyboard users go on where the view begins.
      setTimeout(() => document.activeElement === document.body && document.querySelector('main')?.focus());
    };
  }, []);
  /** A click beside it closes it, unless something was typed in it. @param {MouseEvent} event */
  const onPress = ({ target, clientX: x, clientY: y }) => {
    const box = dialog.current?.getBoundingClientRect();
    if (wide || target !== dialog.current || !box) return;
    if (x < box.left || x > box.right || y < box.top || y > box.bottom) onClose();
  };
  /** File choosers send the same event when they are cancelled. @param {Event} event */
  const onCancel = (event) => {
    if (event.target !== dialog.current) return;
    event.preventDefault();
    onClose();
  };
  return html`
    <dialog ref=${dialog} class=${wide ? 'wide' : ''} aria-labelledby=${id} onCancel=${onCancel} onMouseDown=${onPress}>
      <div class="sheet">
        <header><h2 id=${id}>${title}</h2><button type="button" class="plain" aria-label=${text.close} onClick=${onClose}><${Icon} name="cancel" /></button></header>
        ${children}
      </div>
    </dialog>
  `;
}
