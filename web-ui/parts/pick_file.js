// A field for one file of this computer, which can be chosen or dropped.
import { useId, useRef, useState } from 'preact/hooks';
import { size } from '../lib/format.js';
import { text } from '../text.js';
import { GONE, hasFiles, read } from './drop.js';
import { FileButton } from './file_button.js';
import { html } from './html.js';

/** @import {Picked} from '../uploads/queue.js' */

/** @param {{picked: Picked | null, onPick: (picked: Picked) => void, complaint?: string}} props */
export function PickFile({ picked, onPick, complaint }) {
  const id = useId();
  const [isOver, setOver] = useState(false);
  const [refusal, setRefusal] = useState('');
  const gone = useRef(/** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined));
  const wrong = refusal || complaint;
  /** @param {Picked} one */
  const pick = (one) => (setRefusal(''), onPick(one));
  /** @param {DragEvent} event */
  const onDragOver = (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    if (event.dataTransfer) event.dataTransfer.dropEffect = 'copy';
    setOver(true);
    // Browsers do not report every way to leave.
    clearTimeout(gone.current);
    gone.current = setTimeout(() => setOver(false), GONE);
  };
  /** @param {DragEvent} event */
  const onDragLeave = (event) => !(/** @type {Element} */ (event.currentTarget).contains(/** @type {Node | null} */ (event.relatedTarget))) && setOver(false);
  /** @param {DragEvent} event */
  const onDrop = async (event) => {
    if (!hasFiles(event) || !event.dataTransfer) return;
    event.preventDefault();
    setOver(false);
    const { picked: [first], folders } = await read(event.dataTransfer);
    if (first) pick(first);
    else if (folders.length > 0) setRefusal(text.files.folders(folders));
  };
  return html`
    <div class="field">
      <span class="label" id=${id}>${text.add.file}</span>
      <div class=${isOver ? 'pick over' : 'pick'} role="group" aria-labelledby=${id} onDragOver=${onDragOver} onDragLeave=${onDragLeave} onDrop=${onDrop}>
        <${FileButton} label=${text.add.choose} className="small" describedBy=${`${id}-picked ${id}-wrong`} isWrong=${Boolean(wrong)} onPick=${(/** @type {Picked[]} */ [one]) => one && pick(one)} />
        <span class=${picked ? '' : 'dim'} id=${`${id}-picked`} aria-live="polite">
          ${picked ? html`<bdi class="wrap first">${picked.file.name}</bdi> <span class="dim number">${size(picked.file.size)}</span>` : text.add.drop}
        </span>
      </div>
      <p id=${`${id}-wrong`} class="wrong" aria-live="polite">${wrong}</p>
    </div>
  `;
}
