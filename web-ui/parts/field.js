// A labelled field that says what it is for and what is wrong with what was typed.
import { useId, useState } from 'preact/hooks';
import { html } from './html.js';

/**
 * @param {{label: string, value: string, onInput: (value: string) => void, complaint?: string, hint?: any, optional?: string, showNow?: boolean,
 *   placeholder?: string, type?: string, focus?: boolean, mono?: boolean, list?: string[]}} props
 * `complaint` is shown once something was typed or the field was left, or if `showNow`.
 */
export function Field({ label, value, onInput, complaint, hint, optional, showNow, placeholder, type = 'text', focus, mono, list }) {
  const id = useId();
  const [touched, setTouched] = useState(false);
  const shown = complaint && (showNow || touched) ? complaint : '';
  return html`
    <div class="field">
      <label for=${id}>${label}${optional && html` <span class="dim">${optional}</span>`}</label>
      <input id=${id} type=${type} class=${mono ? 'mono' : ''} value=${value} placeholder=${placeholder} autofocus=${focus} autocomplete="off" autocapitalize="none" spellcheck=${false}
        list=${list && `${id}-list`} aria-invalid=${shown ? 'true' : undefined} aria-describedby=${`${id}-hint ${id}-wrong`}
        onInput=${(/** @type {any} */ event) => (setTouched(true), onInput(event.currentTarget.value))} onBlur=${() => value && setTouched(true)} />
      ${list && html`<datalist id=${`${id}-list`}>${list.map((one) => html`<option value=${one}></option>`)}</datalist>`}
      <p id=${`${id}-wrong`} class="wrong" aria-live="polite">${shown}</p>
      ${hint && html`<p id=${`${id}-hint`} class="hint">${hint}</p>`}
    </div>
  `;
}
