// The log of a job, kept up to date while the job goes on.
import { useEffect, useRef, useState } from 'preact/hooks';
import * as api from '../lib/api.js';
import { clock, exact, moment } from '../lib/format.js';
import { text } from '../text.js';
import { html } from './html.js';

/** @import {Job, JobInFull} from '../types' */

/** How long a log stays fresh after it was read, milliseconds. */
const REST = 3000;

/** @param {{job: Job | undefined, empty: string}} props `empty` stands where there is no log */
export function Log({ job, empty }) {
  const [full, setFull] = useState(/** @type {JobInFull | null} */ (null));
  const id = job?.id;
  const last = useRef(0);
  useEffect(() => {
    if (!id) {
      setFull(null);
      return;
    }
    const asked = new AbortController();
    // A running job has an event each second. Its log is read after a pause of events, or when it is no
    // longer fresh.
    const wait = setTimeout(() => {
      last.current = Date.now();
      api.get(`jobs/${api.path(id)}`, {}, asked.signal).then(setFull, () => {});
    }, Date.now() - last.current > REST ? 0 : REST);
    return () => {
      clearTimeout(wait);
      asked.abort();
    };
  }, [id, job]);
  const lines = full?.id === id ? (full?.log ?? []) : [];
  if (lines.length === 0) return html`<p class="dim">${id ? (full ? text.log.quiet : text.loading) : empty}</p>`;
  return html`
    <ol class="log">
      ${lines.map(({ time, text: words }, at) => html`<li key=${at}><time datetime=${time} title=${exact(time)}>${lines[at - 1]?.time.slice(0, 10) === time.slice(0, 10) ? clock(time) : moment(time)}</time><span class="wrap">${words}</span></li>`)}
    </ol>
  `;
}
