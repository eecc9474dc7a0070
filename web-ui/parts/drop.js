// Files that are dragged into the page. The browser must never leave the page to show them.
import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';

/** @import {Picked} from '../uploads/queue.js' */

/** @typedef {{picked: Picked[], folders: string[]}} Dropped */
/** @typedef {(dropped: Dropped) => void} Receiver */

/** How long after the last event a drag is over, milliseconds. */
export const GONE = 900;

/** Whether files are dragged over a page whose view takes them. */
export const isOver = signal(false);

/** @type {Receiver | null} */
let receiver = null;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let gone;

/** @param {DragEvent} event */
export const hasFiles = (event) => Boolean(event.dataTransfer?.types.includes('Files'));

const isTaken = () => receiver !== null && !document.querySelector('dialog[open]');

addEventListener('dragover', (event) => {
  // A smaller area has taken them.
  if (!hasFiles(event) || event.defaultPrevented) return;
  event.preventDefault();
  if (event.dataTransfer) event.dataTransfer.dropEffect = isTaken() ? 'copy' : 'none';
  isOver.value = isTaken();
  clearTimeout(gone);
  gone = setTimeout(() => (isOver.value = false), GONE);
});
addEventListener('dragleave', (event) => event.relatedTarget === null && (isOver.value = false));
addEventListener('drop', (event) => {
  isOver.value = false;
  if (!hasFiles(event) || event.defaultPrevented) return;
  event.preventDefault();
  if (isTaken() && event.dataTransfer) void read(event.dataTransfer).then(receiver);
});

/** While a view is shown, it takes files that are dropped anywhere. @param {Receiver} receive */
export function useDrops(receive) {
  useEffect(() => {
    receiver = receive;
    return () => void (receiver === receive && (receiver = null));
  });
}

/**
 * The dropped files. Must be called in the event, because the browser forgets them after it.
 * @param {DataTransfer} data
 * @returns {Promise<Dropped>}
 */
export async function read(data) {
  const items = [...data.items].filter((item) => item.kind === 'file');
  const found = items.map((item) => ({
    file: item.getAsFile(),
    isFolder: item.webkitGetAsEntry?.()?.isDirectory ?? false,
    // Not in all browsers. On pages that came by plain HTTP Chromium has it, and ends the page that calls it.
    handle: /** @type {Promise<FileSystemHandle | null> | undefined} */ (isSecureContext ? /** @type {any} */ (item).getAsFileSystemHandle?.() : undefined),
  }));
  /** @type {Dropped} */
  const dropped = { picked: [], folders: [] };
  for (const { file, isFolder, handle } of found) {
    const known = await handle?.catch(() => null);
    if (isFolder) dropped.folders.push(file?.name ?? known?.name ?? '');
    else if (file) dropped.picked.push({ file, handle: known?.kind === 'file' ? /** @type {FileSystemFileHandle} */ (known) : undefined });
  }
  return dropped;
}
