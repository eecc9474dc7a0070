// How far something has come.
import { duration, rate, size } from '../lib/format.js';
import { text } from '../text.js';
import { html } from './html.js';

/**
 * In words: `1.2 GB of 4.1 GB · 52 MB/s · 55 s left`.
 * @param {{done: number, total?: number | null, rate?: number | null, secondsLeft?: number | null}} progress
 */
export function words({ done, total, rate: speed, secondsLeft }) {
  const parts = [total ? text.progress.of(size(done), size(total)) : size(done)];
  if (speed) parts.push(rate(speed));
  if (secondsLeft) parts.push(text.progress.left(duration(secondsLeft)));
  return parts.join(' · ');
}

/**
 * In few words: `33 % · 55 s left`.
 * @param {{done: number, total?: number | null, rate?: number | null, secondsLeft?: number | null}} progress
 */
export function percent({ done, total, rate: speed, secondsLeft }) {
  if (!total) return words({ done, rate: speed });
  const share = `${Math.floor((done / total) * 100)} %`;
  return secondsLeft ? `${share} · ${text.progress.left(duration(secondsLeft))}` : share;
}

/**
 * A bar, also for work of unknown size.
 * @param {{done: number, total?: number | null, label: string}} props
 */
export function Bar({ done, total, label }) {
  const share = total ? Math.min(1, done / total) : undefined;
  const percent = share === undefined ? undefined : Math.floor(share * 100);
  return html`
    <div class=${`progress${share === undefined ? ' endless' : ''}`} role="progressbar" aria-label=${label} aria-valuemin="0" aria-valuemax="100" aria-valuenow=${percent}>
      <div style=${{ transform: share === undefined ? null : `scaleX(${share})` }}></div>
    </div>
  `;
}
