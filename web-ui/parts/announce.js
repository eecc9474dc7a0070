// Short messages at the edge of the page, and announcements for screen readers.
import { signal } from '@preact/signals';
import { createPortal } from 'preact';
import { text } from '../text.js';
import { html } from './html.js';
import { Icon } from './icon.js';

/** How long a message stays, milliseconds. Errors and warnings stay until the user closes them. */
const STAYS = 6000;
const MOST = 4;

/** @typedef {{id: number, words: string, about: string, kind: '' | 'wrong' | 'warns'}} Message `about`: what it is about */
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

/** @param {string} words @param {string} about @param {Message['kind']} kind */
function show(words, about, kind = '') {
  const id = (count += 1);
  withdraw(about);
  messages.value = [...messages.value, { id, words, about, kind }].slice(-MOST);
  if (!kind) setTimeout(() => close(id), STAYS);
}

/** @param {number} id */
const close = (id) => (messages.value = messages.value.filter((message) => message.id !== id));

/** Takes back what was said about something: it is no longer so. @param {string} about */
export const withdraw = (about) => void (messages.value = messages.value.filter((message) => message.about !== about));

/** Shows a success, in the place of what was said before about the same. @param {string} words @param {string} [about] */
export const tell = (words, about = words) => show(words, about);

/** Shows a warning, in the place of what was said before about the same. @param {string} words @param {string} about */
export const warn = (words, about) => show(words, about, 'warns');

/** Shows an error, in the place of what was said before about the same. @param {unknown} error @param {string} [about] */
export function complain(error, about) {
  const words = error instanceof Error ? error.message : String(error);
  show(words, about ?? words, 'wrong');
}

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
      ({ id, words, kind }) => html`
        <div key=${id} class=${`message ${kind}`}>
          <${Icon} name=${kind ? 'warning' : 'check'} /><span>${words}</span>
          <button class="plain" aria-label=${text.close} onClick=${() => close(id)}><${Icon} name="cancel" /></button>
        </div>
      `,
    )}
  </div>
  <div class="offscreen" aria-live="polite">${spoken.value}</div>
`;
