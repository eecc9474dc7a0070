// What is going on: the jobs, the disks, and the transfers.
import { useEffect, useState } from 'preact/hooks';
import { isLoaded } from '../lib/live.js';
import { html } from '../parts/html.js';
import { text } from '../text.js';
import { Jobs } from './jobs.js';
import { Space, useStorage } from './images/space.js';
import { Transfers, useTransfers } from './transfers.js';

/** How long one part waits for the others, so that the layout does not move, milliseconds. */
const PATIENCE = 1500;

export function Activity() {
  const [isPaused, setPaused] = useState(false);
  const [isLate, setLate] = useState(false);
  const [storage, transfers] = [useStorage(), useTransfers(isPaused)];
  useEffect(() => void (document.title = `${text.activity.title} · ${text.product}`), []);
  useEffect(() => {
    const wait = setTimeout(() => setLate(true), PATIENCE);
    return () => clearTimeout(wait);
  }, []);
  const isWhole = isLoaded.value && storage !== null && transfers !== null;
  return html`
    <div class="head"><h1>${text.activity.title}</h1></div>
    ${
      isWhole || isLate
        ? html`<${Jobs} /><${Space} storage=${storage} /><${Transfers} all=${transfers} isPaused=${isPaused} onPause=${() => setPaused(!isPaused)} />`
        : html`<p class="dim">${text.loading}</p>`
    }
  `;
}
