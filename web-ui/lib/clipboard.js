// Copying, also on pages from plain HTTP, where browsers hide the clipboard from scripts.

/**
 * Puts text onto the clipboard; returns whether it did.
 * @param {string} value
 */
export async function copy(value) {
  try {
    await navigator.clipboard.writeText(value);
    return true;
  } catch {
    return copyBySelection(value);
  }
}

/** @param {string} value */
function copyBySelection(value) {
  const before = document.activeElement;
  const field = document.createElement('textarea');
  field.value = value;
  field.className = 'offscreen';
  // A dialog makes all that is outside of it inert.
  (before?.closest('dialog') ?? document.body).append(field);
  field.select();
  const copied = document.execCommand('copy');
  field.remove();
  if (before instanceof HTMLElement) before.focus({ preventScroll: true });
  return copied;
}
