// The page about the API, made from the OpenAPI document of the service.
import { render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { Contents } from './docs/contents.js';
import { Text } from './docs/markdown.js';
import { Operation, place } from './docs/operation.js';
import { mapped, resolved } from './docs/reference.js';
import { Schema, typePlace } from './docs/schema.js';
import * as api from './lib/api.js';
import { Announcements } from './parts/announce.js';
import { html } from './parts/html.js';
import { text } from './text.js';

/** @import {Described, OpenApi} from './docs/openapi.js' */

/** @param {{document: OpenApi}} props */
function Docs({ document: described }) {
  const [sought, setSought] = useState('');
  useEffect(() => {
    document.title = `${text.docs.title} · ${text.product}`;
    // The target of the fragment did not exist yet when the browser looked for it.
    document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
  }, []);
  const words = sought.toLowerCase().split(/\s+/).filter(Boolean);
  /** @param {Described} one */
  const matches = ({ method, path, operation }) => {
    const said = `${method} ${path} ${operation.summary ?? ''} ${operation.description ?? ''} ${(operation.parameters ?? []).map(({ name }) => name).join(' ')}`.toLowerCase();
    return words.every((word) => said.includes(word));
  };
  const all = operations(described).filter(matches);
  const groups = described.tags.map((tag) => ({ ...tag, operations: all.filter(({ operation }) => operation.tags?.[0] === tag.name) })).filter((group) => group.operations.length > 0);
  const types = Object.entries(described.components.schemas);
  return html`
    <header class="top"><div class="bar">
      <a class="brand" href=${api.root.href}><img src=${new URL('icon.svg', import.meta.url).href} alt="" width="24" height="24" />${text.product}</a>
      <span class="dim">${text.docs.title} ${described.info.version}</span>
      <div class="end"><a class="quiet" href=${new URL('openapi.json', api.root).href}>openapi.json</a></div>
    </div></header>
    <div class="docs">
      <${Contents} groups=${groups} types=${types.map(([name]) => name)} sought=${sought} onSeek=${setSought} />
      <main id="main" tabindex="-1">
        <h1>${text.docs.heading}</h1>
        <${Text} markdown=${described.info.description} />
        ${groups.length === 0 && html`<p class="nothing">${text.docs.nothing}</p>`}
        ${groups.map(
          (group) => html`
            <section key=${group.name} class="group" aria-labelledby=${`group-${group.name}`}>
              <h2 id=${`group-${group.name}`}>${group.name}</h2>
              <${Text} markdown=${group.description} />
              ${group.operations.map((one) => html`<${Operation} key=${place(one)} described=${one} schemas=${described.components.schemas} />`)}
            </section>
          `,
        )}
        ${
          words.length === 0 &&
          html`<section class="group" aria-labelledby="types">
            <h2 id="types">${text.docs.types}</h2>
            ${types.map(
              ([name, schema]) => html`
                <article key=${name} id=${typePlace(name)} class="type"><h3><a href=${`#${typePlace(name)}`}>${name}</a></h3>
                  <${Text} markdown=${schema.description} /><${Schema} schema=${schema} /></article>
              `,
            )}
          </section>`
        }
      </main>
    </div>
    <${Announcements} />
  `;
}

/**
 * All operations in the order of the document, with references resolved.
 * @param {OpenApi} described
 * @returns {Described[]}
 */
function operations({ paths, components }) {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => {
      const responses = mapped(operation.responses, (answer) => {
        const found = resolved(components.responses, answer);
        return { ...found, headers: mapped(found.headers, (header) => resolved(components.headers, header)) };
      });
      return { method: method.toUpperCase(), path, operation: { ...operation, responses } };
    }),
  );
}

const app = /** @type {HTMLElement} */ (document.getElementById('app'));
api.get('openapi.json').then(
  (described) => {
    app.replaceChildren();
    render(html`<${Docs} document=${described} />`, app);
  },
  (error) => app.append(Object.assign(document.createElement('p'), { className: 'noscript', role: 'alert', textContent: error.message })),
);
