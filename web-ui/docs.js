// The page about the API.
import { render } from 'preact';
import { root } from './lib/api.js';
import { html } from './parts/html.js';

const place = /** @type {HTMLElement} */ (document.getElementById('app'));
place.replaceChildren();
render(html`<main><a href=${new URL('openapi.json', root).href}>openapi.json</a></main>`, place);
