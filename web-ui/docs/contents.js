// What is on the page, beside it, with a field to search it.
import { html } from '../parts/html.js';
import { Icon } from '../parts/icon.js';
import { text } from '../text.js';
import { place } from './operation.js';
import { typePlace } from './schema.js';

/** @import {Described} from './openapi.js' */

/**
 * @param {{groups: {name: string, operations: Described[]}[], types: string[], sought: string, onSeek: (words: string) => void}} props
 */
export const Contents = ({ groups, types, sought, onSeek }) => html`
  <nav class="contents" aria-label=${text.docs.contents}>
    <label class="search"><span class="offscreen">${text.docs.search}</span><${Icon} name="search" />
      <input type="search" placeholder=${text.docs.search} value=${sought} onInput=${(/** @type {any} */ event) => onSeek(event.currentTarget.value)} /></label>
    <details open=${matchMedia('(min-width: 861px)').matches}>
      <summary>${text.docs.contents}</summary>
      ${groups.map(
        ({ name, operations }) => html`
          <h2 key=${name}>${name}</h2>
          <ul>${operations.map((one) => html`<li key=${place(one)}><a href=${`#${place(one)}`}><span class=${`method of-${one.method.toLowerCase()}`}>${one.method}</span> ${one.path}</a></li>`)}</ul>
        `,
      )}
      <h2>${text.docs.types}</h2>
      <ul>${types.map((name) => html`<li key=${name}><a href=${`#${typePlace(name)}`}>${name}</a></li>`)}</ul>
    </details>
  </nav>
`;
