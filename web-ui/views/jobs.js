// Jobs: those that run, those that wait, and the last that ended.
import { computed } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import * as api from '../lib/api.js';
import { images, jobs } from '../lib/live.js';
import { adjust, href, route } from '../lib/route.js';
import { attempt } from '../parts/announce.js';
import { Countdown } from '../parts/countdown.js';
import { html } from '../parts/html.js';
import { Icon } from '../parts/icon.js';
import { Log } from '../parts/log.js';
import { Bar, words } from '../parts/progress.js';
import { Time } from '../parts/time.js';
import { text } from '../text.js';

/** @import {Job} from '../types' */

const STATES = /** @type {const} */ (['all', 'active', 'failed', 'ended']);
/** Ended jobs that are shown before the user asks for all. */
const FEW = 8;
/** Jobs under way that are shown at first. Files that other programs add may have thousands. */
const MANY = 40;

/** Which of the groups a job belongs to. @param {Job} job */
const group = ({ state }) => (state === 'failed' ? 'failed' : state === 'done' || state === 'cancelled' ? 'ended' : 'active');

const ORDER = { running: 0, waiting: 1, queued: 2 };
/** @param {Job} job */
const rank = ({ state }) => ORDER[/** @type {keyof typeof ORDER} */ (state)] ?? 3;

/** Those under way first, then the last that ended. */
const sorted = computed(() => [...jobs.value.values()].sort((a, b) => rank(a) - rank(b) || b.updated.localeCompare(a.updated)));

export function Jobs() {
  const wanted = STATES.find((one) => one === route.value.query.get('jobs')) ?? 'all';
  const [isLong, setLong] = useState(false);
  const all = sorted.value;
  const found = wanted === 'all' ? all : all.filter((job) => group(job) === wanted);
  const active = found.filter((job) => group(job) === 'active').length;
  const shown = isLong ? found : found.slice(0, Math.min(active, MANY) + FEW);
  const words = text.activity.jobs;
  return html`
    <section aria-labelledby="jobs">
      <div class="tools"><h2 id="jobs">${words.title}</h2>
        <div class="chips" role="group" aria-label=${words.filter}>
          ${STATES.map(
            (one) => html`<button key=${one} type="button" class="chip" aria-pressed=${one === wanted} onClick=${() => adjust({ jobs: one === 'all' ? null : one })}>
              ${words.groups[one]} <span class="number">${one === 'all' ? all.length : all.filter((job) => group(job) === one).length}</span></button>`,
          )}
        </div></div>
      ${
        shown.length === 0
          ? html`<p class="nothing">${all.length === 0 ? words.empty : words.nothing}</p>`
          : html`<ul class="jobs">${shown.map((job) => html`<${Row} key=${job.id} job=${job} />`)}</ul>`
      }
      ${shown.length < found.length && html`<button type="button" class="link" onClick=${() => setLong(true)}>${words.more(found.length - shown.length)}</button>`}
    </section>
  `;
}

/** @param {{job: Job}} props */
function Row({ job }) {
  const [isOpen, setOpen] = useState(false);
  const words_ = text.activity.jobs;
  // A further component has kinds of its own.
  const kind = /** @type {Record<string, string>} */ (words_.kinds)[job.kind] ?? job.kind;
  const is = group(job);
  const name = `${kind} ${subject(job)}`.trim();
  const colour = { active: job.state === 'running' ? 'working' : 'waits', failed: 'failed', ended: job.state === 'done' ? 'ready' : 'waits' }[is];
  /** @param {'cancel' | 'retry' | 'remove'} icon @param {'DELETE' | 'POST'} method @param {string} label */
  const button = (icon, method, label) => {
    const path = `jobs/${api.path(job.id)}${method === 'POST' ? '/retry' : ''}`;
    return html`<button type="button" class="plain" title=${label} aria-label=${`${label}: ${name}`} onClick=${() => attempt(() => api.request(method, path))}><${Icon} name=${icon} /></button>`;
  };
  return html`
    <li>
      <div class="job">
        <span class=${`status ${colour}`}><span class="dot" aria-hidden="true"></span><span class="word">${words_.states[job.state]}</span></span>
        <span class="what">
          <span><span class="dim">${kind}</span> <${Subject} job=${job} /></span>
          <span class="second">${told(job)}</span>
          ${job.progress && html`<${Bar} done=${job.progress.done} total=${job.progress.total} label=${name} />`}
        </span>
        <span class="buttons">
          ${(job.state === 'waiting' || is === 'failed' || job.state === 'cancelled') && button('retry', 'POST', text.retry)}
          ${is === 'active' ? button('cancel', 'DELETE', text.cancel) : button('remove', 'DELETE', words_.forget)}
          <button type="button" class="plain" aria-expanded=${isOpen} title=${words_.log} aria-label=${`${words_.log}: ${name}`} onClick=${() => setOpen(!isOpen)}><${Icon} name=${isOpen ? 'close' : 'more'} /></button>
        </span>
      </div>
      ${isOpen && html`<${Log} job=${job} empty=${text.log.quiet} />`}
    </li>
  `;
}

/** The state in words. @param {Job} job */
function told(job) {
  const words_ = text.activity.jobs;
  const parts = [];
  if (job.progress) parts.push(words(job.progress));
  if (job.until) parts.push(html`<${Countdown} until=${job.until} />`);
  if (job.reason) parts.push(job.reason);
  if (job.attempts > 1) parts.push(text.image.attempts(job.attempts));
  return html`${parts.map((part, at) => html`<span key=${at} class="wrap">${part} · </span>`)}<${Time} stamp=${job.updated} />`;
}

/** What a job works on, in words that follow its kind. @param {Job} job */
const subject = ({ kind, title, file }) => (kind === 'scrub' ? '' : (file?.name ?? title));

/** The same, as a link where it leads somewhere. @param {{job: Job}} props */
function Subject({ job }) {
  const { image, file } = job;
  const words = html`<bdi class="first">${subject(job)}</bdi>`;
  if (image && images.value.has(image)) return html`<a href=${href(['images', image])}>${words}</a>`;
  if (file) return html`<a href=${href(['files'], { store: file.store, q: file.name })}>${words}</a>`;
  return words;
}
