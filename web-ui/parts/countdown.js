// When the next attempt begins, to the second.
import { useEffect, useState } from 'preact/hooks';
import { duration } from '../lib/format.js';
import { text } from '../text.js';
import { html } from './html.js';

/** @param {{until: string}} props */
export function Countdown({ until }) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const tick = setInterval(() => document.hidden || setNow(Date.now()), 1000);
    return () => clearInterval(tick);
  }, []);
  return html`<span class="number">${text.activity.jobs.next(duration((Date.parse(until) - now) / 1000))}</span>`;
}
