// The files that machines fetch southbound, now and lately.
import { count, decoded, duration, now, rate, size } from '../lib/format.js';
import { title } from '../lib/image.js';
import { about, images } from '../lib/live.js';
import { address } from '../lib/machines.js';
import { usePolled } from '../lib/poll.js';
import { keyOf, usePaces } from '../lib/rates.js';
import { adjust, href, route } from '../lib/route.js';
import { html } from '../parts/html.js';
import { Icon } from '../parts/icon.js';
import { Bar } from '../parts/progress.js';
import { Table } from '../parts/table.js';
import { Time } from '../parts/time.js';
import { text } from '../text.js';

/** @import {Pace} from '../lib/rates.js' */
/** @import {EndedTransfer, Image, RunningTransfer, Transfers as All} from '../types' */

/** How often transfers are read, milliseconds. */
const PAUSE = 1000;
const ROW = 44;
/** A transfer that has sent nothing for this long is shown as stalled, milliseconds. */
const STILL = 5000;

/** All transfers; null before the first answer. @param {boolean} isPaused */
export const useTransfers = (isPaused) => /** @type {All | null} */ (usePolled('transfers', isPaused ? 0 : PAUSE));

/** @param {{all: All | null, isPaused: boolean, onPause: () => void}} props */
export function Transfers({ all, isPaused, onPause }) {
  const paces = usePaces(all);
  const { query } = route.value;
  const sought = (query.get('q') ?? '').toLowerCase();
  /** @param {{client: string, path: string}} one */
  const matches = ({ client, path }) => client.includes(sought) || decoded(path).toLowerCase().includes(sought);
  const running = (all?.running ?? []).filter(matches);
  const recent = (all?.recent ?? []).filter(matches);
  const machines = new Set(running.map(({ client }) => address(client))).size;
  const words = text.activity.transfers;
  return html`
    <section aria-labelledby="transfers">
      <div class="tools"><h2 id="transfers">${words.title}</h2>
        <label class="search"><span class="offscreen">${words.filter}</span><${Icon} name="search" />
          <input type="search" placeholder=${words.filterHint} value=${query.get('q') ?? ''} onInput=${(/** @type {any} */ event) => adjust({ q: event.currentTarget.value })} /></label>
        <button type="button" class="small pause" onClick=${onPause}><${Icon} name=${isPaused ? 'play' : 'pause'} />${isPaused ? words.resume : words.pause}</button>
        <span class="dim count">${all && words.sum(machines, rate(running.reduce((sum, one) => sum + (paces.get(keyOf(one))?.now ?? one.rate), 0)))}${all && all.waiting > 0 && ` · ${words.waiting(all.waiting)}`}</span>
      </div>
      ${
        running.length > 0
          ? html`<${Table} label=${words.title} className="transfers" rowHeight=${ROW} count=${running.length} keyOf=${(/** @type {number} */ at) => keyOf(running[at])}
              row=${(/** @type {number} */ at) => html`<${Running} transfer=${running[at]} pace=${paces.get(keyOf(running[at]))} />`}
              columns=${[{ key: 'client', label: words.columns.client }, { key: 'path', label: words.columns.path }, { key: 'sent', label: words.columns.sent }, { key: 'rate', label: words.columns.rate }, { key: 'time', label: words.columns.since }]} />`
          : html`<p class="nothing">${all ? (sought ? words.nothing : words.empty) : text.loading}</p>`
      }
      <h3>${words.recent} <span class="dim number">${all && count(recent.length)}</span></h3>
      ${
        recent.length > 0
          ? html`<${Table} label=${words.recent} className="transfers" rowHeight=${ROW} count=${recent.length} keyOf=${(/** @type {number} */ at) => at}
              row=${(/** @type {number} */ at) => html`<${Ended} transfer=${recent[at]} />`}
              columns=${[{ key: 'client', label: words.columns.client }, { key: 'path', label: words.columns.path }, { key: 'sent', label: words.columns.outcome }, { key: 'rate', label: words.columns.rate }, { key: 'time', label: words.columns.ended }]} />`
          : html`<p class="nothing">${all ? (sought ? words.nothing : words.none) : text.loading}</p>`
      }
    </section>
  `;
}

/** The image whose tree a path leads into. @param {string} path @returns {Image | undefined} */
const imageOf = (path) => [...images.value.values()].find((image) => path.startsWith(image.path));

/** @param {{path: string}} props */
function Path({ path }) {
  const image = imageOf(path);
  const prefix = about.value?.southbound ?? '/';
  if (!image) return html`<bdi title=${decoded(path)}>${decoded(path.startsWith(prefix) ? path.slice(prefix.length) : path)}</bdi>`;
  return html`<a href=${href(['images', image.id])}>${title(image)}</a> <bdi class="dim" title=${decoded(path)}>${decoded(path.slice(image.path.length))}</bdi>`;
}

/** @param {{transfer: RunningTransfer, pace: Pace | undefined}} props */
function Running({ transfer: { client, path, size: all, sent, rate: average, started }, pace }) {
  const seconds = started ? (Math.max(now.value, Date.now()) - Date.parse(started)) / 1000 : 0;
  return html`
    <td class="client"><code title=${client} data-row tabindex="0">${address(client)}</code></td>
    <td class="path"><${Path} path=${path} /></td>
    <td class="sent"><span class="pair"><span class="second">${text.progress.of(size(sent), size(all))}</span><${Bar} done=${sent} total=${all} label=${`${address(client)} ${decoded(path)}`} /></span></td>
    <td class="rate number">${pace && pace.still >= STILL ? html`<span class="still">${text.activity.transfers.still(duration(pace.still / 1000))}</span>` : rate(pace?.now ?? average)}</td>
    <td class="time dim">${duration(seconds)}</td>
  `;
}

/** @param {{transfer: EndedTransfer}} props */
function Ended({ transfer: { client, path, size: all, sent, rate: speed, ended, outcome } }) {
  const isDone = outcome === 'done';
  const words = text.activity.transfers;
  return html`
    <td class="client"><code title=${client} data-row tabindex="0">${address(client)}</code></td>
    <td class="path"><${Path} path=${path} /></td>
    <td class="sent"><span class=${`status ${isDone ? 'ready' : 'failed'}`}><span class="dot" aria-hidden="true"></span><span class="word">${isDone ? words.done : words.broken}</span></span>
      <span class="second"> ${isDone ? size(all) : text.progress.of(size(sent), size(all))}</span></td>
    <td class="rate number">${rate(speed)}</td>
    <td class="time dim"><${Time} stamp=${ended} /></td>
  `;
}
