// A schema as text: its type in a word, and its members line by line.
import { html } from '../parts/html.js';
import { text } from '../text.js';
import { Inline } from './markdown.js';

/** @import {Schema as SchemaObject} from './openapi.js' */

/** The fragment of a type in the page's URL. @param {string} name */
export const typePlace = (name) => `/type/${name}`;

/** @param {string} reference */
const nameOf = (reference) => reference.split('/').pop() ?? '';

/** The type in a word or two. @param {{schema: SchemaObject | undefined}} props @returns {any} */
export function Type({ schema }) {
  if (!schema) return null;
  if (schema.$ref) return html`<a href=${`#${typePlace(nameOf(schema.$ref))}`}>${nameOf(schema.$ref)}</a>`;
  const parts = schema.oneOf ?? schema.anyOf;
  if (parts) return joined(parts.map((part) => html`<${Type} schema=${part} />`), text.docs.or);
  if (schema.allOf) return joined(schema.allOf.filter((part) => part.$ref).map((part) => html`<${Type} schema=${part} />`), text.docs.and);
  if (schema.enum) return joined(schema.enum.map((value) => html`<code>${JSON.stringify(value)}</code>`), text.docs.or);
  if (schema.type === 'array') return html`${text.docs.list} <${Type} schema=${schema.items} />`;
  const types = [schema.type ?? 'any'].flat().map((type) => (type === 'string' && schema.format === 'binary' ? text.docs.bytes : type));
  return types.join(` ${text.docs.or} `);
}

/** @param {any[]} parts @param {string} word */
const joined = (parts, word) => parts.flatMap((part, at) => (at === 0 ? [part] : [` ${word} `, part]));

/** What a type holds. @param {{schema: SchemaObject}} props @returns {any} */
export function Schema({ schema }) {
  if (schema.allOf) return schema.allOf.map((part, at) => (part.$ref ? html`<p key=${at}>${text.docs.allOf} <${Type} schema=${part} /></p>` : html`<${Schema} key=${at} schema=${part} />`));
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices) return html`<ul class="choices">${choices.map((choice, at) => html`<li key=${at}>${choice.properties ? html`<${Schema} schema=${choice} />` : html`<${Type} schema=${choice} />`}</li>`)}</ul>`;
  if (!schema.properties) return html`<p><${Type} schema=${schema} /></p>`;
  return html`<${Members} rows=${Object.entries(schema.properties).map(([name, member]) => ({ name, schema: member, description: member.description, note: schema.required?.includes(name) ? '' : text.docs.mayLack }))} />`;
}

/**
 * Names with their types and what they mean.
 * @param {{rows: {name: string, schema: SchemaObject | undefined, description?: string, note?: string}[]}} props
 */
export const Members = ({ rows }) => html`
  <dl class="members">
    ${rows.map(
      ({ name, schema, description, note }) => html`
        <div key=${name}><dt><code>${name}</code> <span class="dim"><${Type} schema=${schema} />${note && ` · ${note}`}</span></dt>
          ${description && html`<dd><${Inline} words=${description.replace(/\s+/g, ' ')} /></dd>`}</div>
      `,
    )}
  </dl>
`;
