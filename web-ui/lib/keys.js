// Single keys as shortcuts. Users whose software types them for other purposes can turn them off (WCAG
// 2.1.4).
import { signal } from '@preact/signals';
import { adjust, go } from './route.js';
import * as storage from './storage.js';

const KEPT = 'image-service.keys';

export const areOn = signal(storage.read(KEPT) !== 'off');

/** @param {boolean} on */
export function turn(on) {
  areOn.value = on;
  storage.write(KEPT, on ? 'on' : 'off');
}

/**
 * Listens to the keyboard until what it returns is called.
 * @param {() => void} showHelp
 */
export function listen(showHelp) {
  const actions = /** @type {Record<string, () => void>} */ ({
    '/': () => /** @type {HTMLElement | null} */ (document.querySelector('main input[type=search]'))?.focus(),
    n: () => adjust({ add: 'web' }, { push: true }),
    i: () => go(['images']),
    f: () => go(['files']),
    a: () => go(['activity']),
    '?': showHelp,
  });
  /** @param {KeyboardEvent} event */
  const press = (event) => {
    if (!areOn.value || event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
    if (event.target instanceof Element && event.target.closest('input, textarea, select, [contenteditable]')) return;
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  };
  addEventListener('keydown', press);
  return () => removeEventListener('keydown', press);
}
