// One operation: what it does, its parameters, and its answers.
import { root } from '../lib/api.js';
import { Code } from '../parts/copy.js';
import { html } from '../parts/html.js';
import { text } from '../text.js';
import { Inline, Text } from './markdown.js';
import { Members, Schema, Type } from './schema.js';

/** @import {Described, Media, ResolvedAnswer, Schema as SchemaObject} from './openapi.js' */

/** The fragment of an operation in the page's URL. @param {{method: string, path: string}} operation */
export const place = ({ method, path }) => `/${method}${path}`;

/** @param {{described: Described, schemas: Record<string, SchemaObject>}} props */
export function Operation({ described }) {
  const { method, path, operation } = described;
  const { parameters = [], requestBody: body, responses } = operation;
  return html`
    <article id=${place(described)} class="operation">
      <h3><a href=${`#${place(described)}`}><span class=${`method of-${method.toLowerCase()}`}>${method}</span> <span class="wrap">${path}</span></a></h3>
      <p class="summary">${operation.summary}</p>
      <${Text} markdown=${operation.description} />
      <${Code} value=${curl(described)} what=${text.docs.curl} />
      ${
        parameters.length > 0 &&
        html`<h4>${text.docs.parameters}</h4>
          <${Members} rows=${parameters.map(({ name, in: where, schema, description, required }) => ({ name, schema, description, note: [where, required && text.docs.required].filter(Boolean).join(', ') }))} />`
      }
      ${body && html`<h4>${text.docs.body}</h4><${Text} markdown=${body.description} /><${Contents} content=${body.content} />`}
      <h4>${text.docs.answers}</h4>
      ${Object.entries(responses).map(([status, answer]) => html`<${Answered} key=${status} status=${status} answer=${answer} />`)}
    </article>
  `;
}

/** @param {{status: string, answer: ResolvedAnswer}} props */
function Answered({ status, answer }) {
  const { description = '', headers, content = {} } = answer;
  const head = html`<code class=${`code-of ${status.startsWith('2') ? 'good' : ''}`}>${status === 'default' ? text.docs.others : status}</code> <span><${Inline} words=${description.replace(/\s+/g, ' ')} /></span>`;
  if (Object.keys(headers).length + Object.keys(content).length === 0) return html`<p class="answer">${head}</p>`;
  return html`
    <details class="answer"><summary>${head}</summary>
      ${Object.keys(headers).length > 0 && html`<${Members} rows=${Object.entries(headers).map(([name, { schema, description }]) => ({ name, schema, description, note: text.docs.field }))} />`}
      <${Contents} content=${content} />
    </details>
  `;
}

/** @param {{content: Record<string, Media>}} props */
const Contents = ({ content }) =>
  Object.entries(content).map(([type, { schema, example, examples }]) => {
    const shown = example === undefined ? Object.values(examples ?? {}).map(({ value }) => value) : [example];
    return html`
      <p key=${type}><code>${type}</code> ${schema && html`<${Type} schema=${schema} />`}</p>
      ${schema?.properties && html`<${Schema} schema=${schema} />`}
      ${shown.map((value, at) => html`<${Code} key=${at} value=${typeof value === 'string' ? value : JSON.stringify(value, null, 2)} what=${text.docs.example} />`)}
    `;
  });

/** A command that asks for it. @param {Described} described */
function curl({ method, path, operation: { parameters = [], requestBody: body } }) {
  const query = parameters.filter((one) => one.in === 'query' && one.required).map(({ name, example }) => `${name}=${example ?? name.toUpperCase()}`);
  const target = new URL(path.slice(1).replace(/{(\w+)}/g, (_, name) => name.toUpperCase()), root).href + (query.length ? `?${query.join('&')}` : '');
  const fields = parameters.filter((one) => one.in === 'header' && one.required).map(({ name, example }) => ` -H '${name}: ${example ?? '…'}'`);
  const types = Object.keys(body?.content ?? {});
  const sent = body?.content['application/json']?.example;
  const data = sent ? ` \\\n  -H 'Content-Type: application/json' -d '${JSON.stringify(sent)}'` : types.length > 0 && !types.includes('application/json') ? ' -T FILE' : '';
  const verb = method === 'GET' ? '' : method === 'HEAD' ? ' -I' : ` -X ${method}`;
  return `curl${verb}${fields.join('')} '${target}'${data}`;
}
