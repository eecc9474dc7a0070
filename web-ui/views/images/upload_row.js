// One upload of this browser: its progress, what it waits for, and its actions.
import { useRef, useState } from 'preact/hooks';
import { duration, size } from '../../lib/format.js';
import { title } from '../../lib/image.js';
import { files } from '../../lib/live.js';
import { cleaned, complaint } from '../../lib/names.js';
import { href } from '../../lib/route.js';
import { Field } from '../../parts/field.js';
import { FileButton } from '../../parts/file_button.js';
import { html } from '../../parts/html.js';
import { Icon } from '../../parts/icon.js';
import { Bar, words } from '../../parts/progress.js';
import { text } from '../../text.js';
import { isTaken, questionOf } from '../../uploads/questions.js';
import * as queue from '../../uploads/queue.js';
import { Users } from './file_parts.js';

/** @import {Upload} from '../../uploads/list.js' */

/** @param {{upload: Upload}} props */
export function UploadRow({ upload }) {
  const [asked, setAsks] = useState(/** @type {'cancel' | 'rename' | null} */ (null));
  const row = useRef(/** @type {HTMLElement | null} */ (null));
  const { name, state, done, size: total, image } = upload;
  // It may have ended while the user was asked.
  const asks = upload.stored || state === 'elsewhere' ? null : asked;
  const isOver = state === 'done' || (state === 'failed' && upload.stored);
  const hasBar = ['sending', 'finishing', 'registering'].includes(state) || (done > 0 && !isOver);
  // The answer is no, so the focus goes back to where it was.
  const back = () => {
    setAsks(null);
    setTimeout(() => /** @type {HTMLElement | null} */ (row.current?.querySelector(':scope > .buttons > :last-child'))?.focus());
  };
  return html`
    <li ref=${row} class=${`upload ${state}`}>
      <div class="what">
        <p class="line"><bdi class="first cut" title=${name}>${name}</bdi>
          <span class="second">${image ? text.uploads.forImage(title(image)) : text.uploads.to[upload.store]}</span></p>
        <div class="second says">${said(upload)}</div>
        ${hasBar && html`<${Bar} done=${done} total=${state === 'finishing' || state === 'registering' ? null : total} label=${text.uploads.progress(name)} />`}
        ${asks === 'rename' && html`<${Rename} upload=${upload} onClose=${back} />`}
        ${
          asks === 'cancel'
            ? html`<div class="answers"><span>${text.uploads.questions.cancel}</span>
                <button type="button" class="small danger" onClick=${() => queue.cancel(upload.key)}>${text.uploads.throwAway}</button>
                <button type="button" class="small" ref=${focus} onClick=${back}>${text.uploads.keep}</button></div>`
            : asks === null && html`<${Answers} upload=${upload} onRename=${() => setAsks('rename')} />`
        }
      </div>
      <${Actions} upload=${upload} onCancel=${() => (done > 0 && !upload.stored ? setAsks('cancel') : queue.cancel(upload.key))} />
    </li>
  `;
}

/** @param {HTMLElement | null} element */
const focus = (element) => element?.focus();

/** The state in words. @param {Upload} upload */
function said(upload) {
  const { state, done, size: total, reason = '', image } = upload;
  const { uploads } = text;
  const progress = words({ done, total });
  const name = image ? title(image) : '';
  switch (state) {
    case 'waiting':
      return uploads.waiting(done > 0 ? progress : size(total));
    case 'sending':
      return done > 0 || upload.rate ? words({ done, total, rate: upload.rate, secondsLeft: upload.secondsLeft }) : `${size(total)} · ${uploads.begins}`;
    case 'finishing':
      return uploads.finishing;
    case 'paused':
      return uploads.paused(progress);
    case 'retrying': {
      const left = ((upload.until ?? 0) - queue.moment.value) / 1000;
      return html`<span class="waits">${left > 0.5 ? uploads.again(reason, duration(Math.ceil(left))) : uploads.againNow(reason)}</span>${done > 0 && ` ${progress}`}`;
    }
    case 'registering':
      return uploads.registering(name);
    case 'elsewhere':
      return `${uploads.elsewhere} ${done > 0 ? progress : ''}`;
    case 'stopped':
      return html`${reason && html`<span class="wrong">${reason} </span>`}${upload.hasHandle ? uploads.askPermission(progress) : done > 0 ? uploads.askFile(progress) : uploads.askFileNew}`;
    case 'failed': {
      const advice = upload.stored ? '' : (/** @type {Record<number, string>} */ (uploads.advice)[upload.status ?? 0] ?? '');
      return html`${upload.stored && `${uploads.notAdded(name)} `}<span class="wrong">${upload.status ? uploads.says(reason) : reason}</span> ${advice}`;
    }
    case 'done':
      return upload.added ? html`${uploads.added(name)} <a href=${href(['images', upload.added])}>${uploads.show}</a>` : uploads.isStored;
    case 'asking': {
      const inTheWay = upload.question === 'used' && files[upload.store].value.get(upload.name);
      return html`<span class="waits">${questionOf(upload)}</span>${
        inTheWay && html`<${Users} file=${inTheWay} />`
      }`;
    }
  }
}

/** The answers to a question. @param {{upload: Upload, onRename: () => void}} props */
function Answers({ upload, onRename }) {
  const { key, state, question, name } = upload;
  const { uploads } = text;
  const rename = html`<button type="button" class="small" onClick=${onRename}>${uploads.rename}</button>`;
  /** @param {string} label @param {() => void} act */
  const button = (label, act) => html`<button type="button" class="small" aria-label=${`${label}: ${name}`} onClick=${act}>${label}</button>`;
  const choose = html`<${FileButton} label=${uploads.choose} name=${`${uploads.choose} ${name}`} className="small" onPick=${(/** @type {queue.Picked[]} */ [one]) => one && queue.offer(key, one)} />`;
  if (state === 'stopped') return html`<div class="answers">${upload.hasHandle && button(uploads.goOn, () => void queue.reopen(key, { ask: true }))}${choose}</div>`;
  if (state === 'failed' && upload.stored) {
    return html`<div class="answers"><a class="button small" href=${href(['files'], { store: upload.store, add: 'store', iso: name })}>${uploads.addImage}</a></div>`;
  }
  if (state === 'failed' && upload.status === 409) return html`<div class="answers">${rename}</div>`;
  if (state !== 'asking') return null;
  return html`
    <div class="answers">
      ${question === 'exists' && button(uploads.replace, () => queue.replace(key))}
      ${question === 'other' && html`${button(uploads.useOther, () => queue.accept(key))}${choose}<button type="button" class="small" onClick=${() => queue.refuse(key)}>${text.cancel}</button>`}
      ${question !== 'other' && rename}
    </div>
  `;
}

/** @param {{upload: Upload, onClose: () => void}} props */
function Rename({ upload, onClose }) {
  const [name, setName] = useState(() => free(upload));
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (complaint(name)) return;
    onClose();
    queue.rename(upload.key, name);
  };
  return html`
    <form class="rename" onSubmit=${submit} noValidate>
      <${Field} label=${text.uploads.newName} value=${name} onInput=${setName} complaint=${complaint(name)} showNow focus />
      <span class="buttons"><button type="submit" class="small" disabled=${Boolean(complaint(name))}>${text.uploads.useName}</button>
        <button type="button" class="small" onClick=${onClose}>${text.cancel}</button></span>
    </form>
  `;
}

/** A name like this one that no file has: `linux-2.iso`. @param {Upload} upload */
function free({ name, store }) {
  const clean = cleaned(name);
  if (clean !== name && clean) return clean;
  const [, stem = clean, ending = ''] = clean.match(/^(.+?)((?:\.[A-Za-z0-9]{1,8})?)$/u) ?? [];
  for (let number = 2; ; number += 1) {
    const next = `${stem}-${number}${ending}`;
    if (!isTaken(store, next)) return next;
  }
}

/** @param {{upload: Upload, onCancel: () => void}} props */
function Actions({ upload, onCancel }) {
  const { key, name, state } = upload;
  const { uploads } = text;
  /**
   * @param {string} words
   * @param {import('../../parts/icon.js').IconName} icon
   * @param {() => void} act
   * @param {string} [key] the focus stays on buttons of one key
   */
  const button = (words, icon, act, key = icon) => html`<button key=${key} type="button" class="plain" title=${words} aria-label=${words} onClick=${act}><${Icon} name=${icon} /></button>`;
  if (state === 'elsewhere') return null;
  if (state === 'done' || upload.stored) {
    return html`<span class="buttons">${state !== 'done' && state !== 'registering' && button(uploads.retry(name), 'retry', () => queue.retry(key))}
      ${state !== 'registering' && button(state === 'retrying' ? uploads.giveUp(name) : uploads.dismiss(name), 'cancel', () => queue.dismiss(key))}</span>`;
  }
  return html`
    <span class="buttons">
      ${['sending', 'waiting', 'retrying'].includes(state) && button(uploads.pause(name), 'pause', () => queue.pause(key), 'going')}
      ${state === 'paused' && button(uploads.resume(name), 'play', () => queue.resume(key), 'going')}
      ${(state === 'retrying' || (state === 'failed' && upload.size > 0)) && button(uploads.retry(name), 'retry', () => queue.retry(key))}
      ${button(uploads.cancel(name), 'cancel', onCancel)}
    </span>
  `;
}
