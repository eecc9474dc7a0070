// One image: how to install from it, what it is, what is in it, and what happened to it.
import { signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import * as api from '../../lib/api.js';
import { count, size } from '../../lib/format.js';
import { job, kind, state, system, title } from '../../lib/image.js';
import { images, isLoaded } from '../../lib/live.js';
import { href } from '../../lib/route.js';
import { Copy } from '../../parts/copy.js';
import { html } from '../../parts/html.js';
import { Icon } from '../../parts/icon.js';
import { Log } from '../../parts/log.js';
import { Time } from '../../parts/time.js';
import { text } from '../../text.js';
import { Boot } from './boot.js';
import { ImageActions } from './image_actions.js';
import { Progressing } from './images.js';
import { RemoveImage } from './remove_image.js';
import { Tree } from './tree.js';

/** @import {Image, ImageInFull} from '../../types' */

const removing = signal(false);

/** @param {{id: string}} props */
export function ImageView({ id }) {
  const image = images.value.get(id);
  const name = image ? title(image) : text.images.title;
  useEffect(() => void (document.title = `${name} · ${text.product}`), [name]);
  useEffect(() => () => void (removing.value = false), []);
  const back = html`<a class="back" href=${href(['images'])}><${Icon} name="back" />${text.image.back}</a>`;
  if (!image) return html`${back}<h1 class="offscreen">${name}</h1><p class="nothing">${isLoaded.value ? text.image.gone : text.loading}</p>`;
  return html`
    ${back}
    <div class="head">
      <h1><bdi>${image.name}</bdi> <bdi class="version">${image.version}</bdi></h1>
      <span class="buttons">
        <${ImageActions} image=${image} labelled />
        <button type="button" class="small danger" onClick=${() => (removing.value = true)}><${Icon} name="remove" />${text.image.remove}</button>
      </span>
    </div>
    <div class="standing"><${Progressing} image=${image} /></div>
    <div class="columns">
      <${Boot} image=${image} />
      <${Facts} image=${image} />
    </div>
    <${Findings} image=${image} />
    <${Tree} image=${image} />
    <section aria-labelledby="log">
      <h2 id="log">${text.image.log}</h2>
      <${Log} job=${job(image)} empty=${text.image.noLog} />
    </section>
    ${removing.value && html`<${RemoveImage} image=${image} onClose=${() => (removing.value = false)} />`}
  `;
}

/** @param {{image: Image}} props */
function Facts({ image }) {
  const { facts } = text.image;
  const iso = html`<a href=${href(['files'], { q: image.iso })}><bdi>${image.iso}</bdi></a>`;
  const sources = /** @type {Record<string, string>} */ (text.image.sources);
  /** @type {[string, any][]} */
  const rows = [
    [facts.system, [system(image), image.system?.arch].filter(Boolean).join(' · ')],
    [facts.label, image.tree?.label],
    [facts.iso, iso],
    [facts.size, image.bytes && size(image.bytes)],
    [facts.source, sources[image.source]],
    [facts.url, image.url && html`<span class="wrap">${image.url}</span>`],
    [facts.mirrors, image.mirrors?.map((link) => html`<span class="wrap" key=${link}>${link} </span>`)],
    [facts.checksum, image.checksum && html`<span class="wrap">${image.checksum}</span>`],
    [facts.tree, kind(image)],
    [facts.entries, image.tree?.entries && count(image.tree.entries)],
    [facts.created, html`<${Time} stamp=${image.created} />`],
    [facts.updated, image.updated !== image.created && html`<${Time} stamp=${image.updated} />`],
    [facts.sha256, image.sha256 && html`<span class="copied"><code class="wrap">${image.sha256}</code><${Copy} value=${image.sha256} what=${text.sha256} /></span>`],
    [facts.id, html`<span class="copied"><code class="wrap">${image.id}</code><${Copy} value=${image.id} what=${facts.id} /></span>`],
  ];
  return html`
    <section aria-labelledby="details">
      <h2 id="details">${text.image.details}</h2>
      <dl class="facts">${rows.filter(([, value]) => value).map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
    </section>
  `;
}

/** What was noticed in the ISO, where something was. @param {{image: Image}} props */
function Findings({ image }) {
  const [full, setFull] = useState(/** @type {ImageInFull | null} */ (null));
  const { warnings = 0, damaged = 0 } = image.tree ?? {};
  const isOdd = warnings + damaged > 0 && state(image) === 'ready';
  useEffect(() => {
    if (!isOdd) return;
    const asked = new AbortController();
    api.get(`images/${api.path(image.id)}`, {}, asked.signal).then(setFull, () => {});
    return () => asked.abort();
  }, [isOdd, image.id, image.updated]);
  const findings = full?.findings;
  if (!isOdd || !findings) return null;
  /** @param {string} intro @param {string[]} lines @param {number} all */
  const list = (intro, lines, all) =>
    lines.length > 0 &&
    html`<p>${intro}</p>
      <ul class="findings">
        ${lines.map((line) => html`<li key=${line}><bdi>${line}</bdi></li>`)} ${all > lines.length && html`<li class="dim">${text.image.more(all - lines.length)}</li>`}
      </ul>`;
  return html`
    <section aria-labelledby="findings" class="odd">
      <h2 id="findings"><${Icon} name="warning" />${text.image.findings}</h2>
      ${list(text.image.damaged, findings.damaged, damaged)} ${list(text.image.odd, findings.warnings, warnings)}
    </section>
  `;
}
