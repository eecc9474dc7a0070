// What is going on: the jobs, the disks, and who fetches what.
import { useEffect } from 'preact/hooks';
import { html } from '../parts/html.js';
import { text } from '../text.js';
import { Jobs } from './jobs.js';
import { Space } from './space.js';
import { Transfers } from './transfers.js';

export function Activity() {
  useEffect(() => void (document.title = `${text.activity.title} · ${text.product}`), []);
  return html`<div class="head"><h1>${text.activity.title}</h1></div><${Jobs} /><${Space} /><${Transfers} />`;
}
