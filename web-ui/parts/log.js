// The log of a job, kept up to date while the job goes on.
import { useEffect, useState } from 'preact/hooks';
import * as api from '../lib/api.js';
import { clock, exact } from '../lib/format.js';
import { text } from '../text.js';
import { html } from './html.js';

/** @import {Job, JobInFull} from '../types' */

/** @param {{job: Job | undefined, empty: string}} props `empty` stands where there is no log */
export function Log({ job, empty }) {
  const [full, setFull] = useState(/** @type {JobInFull | null} */ (null));
  const [id, moment] = [job?.id, job && `${job.state} ${job.attempts} ${job.updated}`];
  useEffect(() => {
    if (!id) {
      setFull(null);
      return;
    }
    const asked = new AbortController();
    api.get(`jobs/${api.path(id)}`, {}, asked.signal).then(setFull, () => {});
    return () => asked.abort();
  }, [id, moment]);
  const lines = full?.id === id ? (full?.log ?? []) : [];
  if (lines.length === 0) return html`<p class="dim">${id ? (full ? text.log.quiet : text.loading) : empty}</p>`;
  return html`
    <ol class="log">
      ${lines.map(({ time, text: words }, at) => html`<li key=${at}><time datetime=${time} title=${exact(time)}>${clock(time)}</time><span class="wrap">${words}</span></li>`)}
    </ol>
  `;
}
