// Short messages at the edge of the page, and announcements for screen readers.
import { signal } from '@preact/signals';
import { createPortal } from 'preact';
import { text } from '../text.js';
import { html } from './html.js';
import { Icon } from './icon.js';

/** How long a message stays, milliseconds. An error stays until the user closes it. */
const STAYS = 6000;
const MOST = 4;

/** @typedef {{id: number, words: string, isError: boolean}} Message */
/** @type {import('@preact/signals').Signal<Message[]>} */
const messages = signal([]);
const spoken = signal('');
let count = 0;

/**
 * The open dialogs, the last on top. Screen readers do not read what is outside of it.
 * @type {import('@preact/signals').Signal<HTMLElement[]>}
 */
const stages = signal([]);

/** Shows messages inside a dialog, until the returned function is called. @param {HTMLElement} dialog */
export function enter(dialog) {
  stages.value = [...stages.value, dialog];
  return () => void (stages.value = stages.value.filter((one) => one !== dialog));
}

/** @param {string} words @param {boolean} [isError] */
function show(words, isError = false) {
  const id = (count += 1);
  messages.value = [...messages.value.filter((message) => message.words !== words), { id, words, isError }].slice(-MOST);
  if (!isError) setTimeout(() => close(id), STAYS);
}

/** @param {number} id */
const close = (id) => (messages.value = messages.value.filter((message) => message.id !== id));

/** Shows a success. @param {string} words */
export const tell = (words) => show(words);

/** Shows an error. @param {unknown} error */
export const complain = (error) => show(error instanceof Error ? error.message : String(error), true);

/** Announces a change to screen readers. @param {string} words */
export function say(words) {
  spoken.value = '';
  setTimeout(() => (spoken.value = words), 50);
}

/** Runs an action and shows its error. @param {() => Promise<unknown>} action */
export const attempt = async (action) => {
  try {
    await action();
    return true;
  } catch (error) {
    complain(error);
    return false;
  }
};

/** The place of all messages; once in the page. */
export function Announcements() {
  const stage = stages.value.at(-1);
  return stage ? createPortal(html`<${Told} />`, stage) : html`<${Told} />`;
}

const Told = () => html`
  <div class="messages" role="log" aria-label=${text.messages}>
    ${messages.value.map(
      ({ id, words, isError }) => html`
        <div key=${id} class=${isError ? 'message wrong' : 'message'}>
          <${Icon} name=${isError ? 'warning' : 'check'} /><span>${words}</span>
          <button class="plain" aria-label=${text.close} onClick=${() => close(id)}><${Icon} name="cancel" /></button>
        </div>
      `,
    )}
  </div>
  <div class="offscreen" aria-live="polite">${spoken.value}</div>
`;
