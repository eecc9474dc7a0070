// The uploads of this browser, and unfinished uploads of other clients.
import { signal } from '@preact/signals';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { size } from '../../lib/format.js';
import { attempt, complain, tell } from '../../parts/announce.js';
import { Dialog } from '../../parts/dialog.js';
import { FileButton } from '../../parts/file_button.js';
import { html } from '../../parts/html.js';
import { Icon } from '../../parts/icon.js';
import { Bar, words } from '../../parts/progress.js';
import { Time } from '../../parts/time.js';
import { text } from '../../text.js';
import { look, others, remove, watch } from '../../uploads/others.js';
import { clear, upload, uploads } from '../../uploads/queue.js';
import { UploadRow } from './upload_row.js';

/** @import {Other} from '../../uploads/others.js' */
/** @import {Picked, Upload} from '../../uploads/list.js' */

const removing = signal(/** @type {Other | null} */ (null));

export function UploadList() {
  useEffect(() => watch(), []);
  const [mine, theirs] = [uploads.value, others.value];
  useEffect(() => void look(), [mine.length]);
  const keepsFocus = useKeptFocus();
  const going = mine.filter(({ state }) => state === 'sending' || state === 'finishing' || state === 'registering').length;
  const waiting = mine.filter(({ state }) => state === 'waiting').length;
  return html`
    ${
      mine.length > 0 &&
      html`<section aria-labelledby="uploads">
        <div class="uploads-head">
          <h2 id="uploads">${text.uploads.title}</h2><span class="dim number">${text.uploads.summary(going, waiting)}</span>
          ${mine.some(({ state }) => state === 'done') && html`<button type="button" class="link" onClick=${clear}>${text.uploads.clear}</button>`}
        </div>
        <ul class="uploads" ...${keepsFocus}>${mine.map((one) => html`<${Row} key=${one.key} upload=${one} />`)}</ul>
      </section>`
    }
    ${
      theirs.length > 0 &&
      html`<section aria-labelledby="others">
        <div class="uploads-head"><h2 id="others">${text.uploads.others}</h2><span class="dim">${text.uploads.othersHint}</span></div>
        <ul class="uploads">${theirs.map((one) => html`<${OtherRow} key=${one.id} other=${one} />`)}</ul>
      </section>`
    }
    ${removing.value && html`<${RemoveOther} other=${removing.value} onClose=${() => (removing.value = null)} />`}
  `;
}

/** Is drawn only when something changed, because there may be hundreds. @param {{upload: Upload}} props */
const Row = ({ upload }) => useMemo(() => html`<${UploadRow} upload=${upload} />`, [upload]);

/** When the focused button goes, the list gets the focus, so that keyboard users stay there. */
function useKeptFocus() {
  const list = useRef(/** @type {HTMLElement | null} */ (null));
  const isInside = useRef(false);
  useEffect(() => {
    if (!isInside.current || document.activeElement !== document.body) return;
    if (list.current) list.current.focus();
    else document.querySelector('main')?.focus();
    isInside.current = list.current !== null;
  });
  return {
    ref: list,
    tabindex: -1,
    onFocusIn: () => void (isInside.current = true),
    // The user moved the focus away: the element that had it is still there.
    onFocusOut: (/** @type {FocusEvent} */ { target }) => void setTimeout(() => /** @type {Element} */ (target).isConnected && (isInside.current = list.current?.contains(document.activeElement) ?? false)),
  };
}

/** @param {{other: Other}} props */
function OtherRow({ other }) {
  const { uploads } = text;
  const { id, name, store, offset, size: total, moves } = other;
  const [offered, setOffered] = useState(/** @type {Picked | null} */ (null));
  /** @param {Picked | null} picked */
  const goOn = (picked) => picked && upload(picked, { store, id, name, done: offset });
  /** @param {Picked | undefined} picked */
  const offer = (picked) => {
    if (!picked) return;
    const { file } = picked;
    if (total && file.size !== total) complain(uploads.wrongSize(file.name, uploads.bytes(file.size), uploads.bytes(total)));
    else if (file.name !== name && offset > 0) setOffered(picked);
    else goOn(picked);
  };
  return html`
    <li class="upload other">
      <div class="what">
        <p class="line"><bdi class="first cut" title=${name}>${name}</bdi> <span class="second">${uploads.to[/** @type {'iso'} */ (store)]}</span></p>
        <div class="second says">${words({ done: offset, total })} · ${moves ? uploads.otherMoves : html`${uploads.begun} <${Time} stamp=${other.created} />`}${
          !moves && other.expires && ` · ${uploads.expires(other.expires.slice(0, 10))}`
        }</div>
        ${total ? html`<${Bar} done=${offset} total=${total} label=${uploads.progress(name)} />` : null}
        ${
          offered
            ? html`<div class="answers"><span class="waits">${uploads.questions.other(offered.file.name)}</span>
                <button type="button" class="small" onClick=${() => goOn(offered)}>${uploads.useOther}</button>
                <button type="button" class="small" onClick=${() => setOffered(null)}>${text.cancel}</button></div>`
            : !moves && html`<div class="answers"><${FileButton} label=${uploads.choose} name=${`${uploads.resume(name)}: ${uploads.choose}`} className="small" onPick=${(/** @type {Picked[]} */ [one]) => offer(one)} /></div>`
        }
      </div>
      <span class="buttons">
        <button type="button" class="plain danger" title=${uploads.remove(name)} aria-label=${uploads.remove(name)} onClick=${() => (removing.value = other)}><${Icon} name="remove" /></button>
      </span>
    </li>
  `;
}

/** @param {{other: Other, onClose: () => void}} props */
function RemoveOther({ other, onClose }) {
  const { uploads } = text;
  const [isBusy, setBusy] = useState(false);
  const confirm = async () => {
    setBusy(true);
    const done = await attempt(() => remove(other));
    setBusy(false);
    if (!done) return;
    tell(uploads.removed(other.name), other.name);
    onClose();
  };
  return html`
    <${Dialog} title=${uploads.removeTitle(other.name)} onClose=${onClose}>
      <p>${uploads.removeWords(other.size ? text.progress.of(size(other.offset), size(other.size)) : size(other.offset))}</p>
      <footer>
        <button type="button" onClick=${onClose} autofocus>${text.cancel}</button>
        <button type="button" class="danger solid" disabled=${isBusy} onClick=${confirm}>${uploads.removeConfirm}</button>
      </footer>
    <//>
  `;
}
