// The page: its frame, and the view that is shown.
import { render } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { reach } from './lib/events.js';
import { about, connection, follow, isLoaded } from './lib/live.js';
import { root } from './lib/api.js';
import { href, route } from './lib/route.js';
import { listen } from './lib/keys.js';
import { watchImages } from './lib/news.js';
import { Announcements } from './parts/announce.js';
import { html } from './parts/html.js';
import { Icon } from './parts/icon.js';
import { text } from './text.js';
import { Activity } from './views/activity.js';
import { AddImage } from './views/images/add_image.js';
import { Files } from './views/images/files.js';
import { ImageView } from './views/images/image.js';
import { Images } from './views/images/images.js';
import { Keys } from './views/keys.js';

const VIEWS = /** @type {const} */ ([
  ['images', text.nav.images],
  ['files', text.nav.files],
  ['activity', text.nav.activity],
]);

function App() {
  const { path, query } = route.value;
  const [first = 'images', second] = path;
  const main = useRef(/** @type {HTMLElement | null} */ (null));
  const isFirst = useRef(true);
  const place = path.join('/');
  useEffect(() => {
    if (isFirst.current) {
      isFirst.current = false;
      return;
    }
    // Screen readers and keyboard users go on where the new view begins.
    main.current?.focus();
    scrollTo(0, 0);
  }, [place]);
  const [keys, setKeys] = useState(false);
  useEffect(() => listen(() => setKeys(true)), []);

  return html`
    <a class="skip" href="#main" onClick=${(/** @type {Event} */ event) => (event.preventDefault(), main.current?.focus())}>${text.skip}</a>
    <header class="top">
      <div class="bar">
        <a class="brand" href=${href(['images'])}><img src=${new URL('icon.svg', import.meta.url).href} alt="" width="24" height="24" />${text.product}</a>
        <nav aria-label=${text.nav.label}>
          ${VIEWS.map(([name, label]) => html`<a key=${name} href=${href([name])} aria-current=${first === name ? 'page' : undefined}>${label}</a>`)}
        </nav>
        <div class="end">
          <${Connection} />
          <a class="quiet" href=${new URL('docs', root).href}>${text.nav.docs}</a>
          <button type="button" class="plain keys" aria-label=${text.nav.keys} title=${text.nav.keys} onClick=${() => setKeys(true)}>?</button>
        </div>
      </div>
    </header>
    <${Banner} />
    <main id="main" ref=${main} tabindex="-1" aria-busy=${!isLoaded.value}>
      ${
        first === 'files'
          ? html`<${Files} />`
          : first === 'activity'
            ? html`<${Activity} />`
            : first === 'images' && second
              ? html`<${ImageView} key=${second} id=${second} />`
              : html`<${Images} />`
      }
    </main>
    ${query.has('add') && isLoaded.value && html`<${AddImage} />`}
    ${keys && html`<${Keys} onClose=${() => setKeys(false)} />`}
    <${Announcements} />
  `;
}

/** How long the service is away before the page says so at large, milliseconds. A restart is shorter. */
const PATIENCE = 2000;

/** Why nothing is up to date. */
function Banner() {
  const isLost = connection.value === 'lost';
  const [isShown, setShown] = useState(false);
  useEffect(() => {
    if (!isLost) return;
    const wait = setTimeout(() => setShown(true), PATIENCE);
    return () => (clearTimeout(wait), setShown(false));
  }, [isLost]);
  if (!isLost || !isShown) return null;
  return html`<p class="banner" role="alert"><${Icon} name="warning" /><span>${reach.value.why || text.errors.unreachable} ${isLoaded.value && text.connection.stale}</span></p>`;
}

/** The version of the service that this page came from. */
let version = '';

function Connection() {
  const is = connection.value;
  const now = about.value?.version;
  version ||= now ?? '';
  let renewed = null;
  if (now && now !== version) {
    renewed = html`<button type="button" class="small" title=${text.connection.updated} onClick=${() => location.reload()}><${Icon} name="retry" />${text.reload}</button>`;
  }
  const hint = is === 'lost' ? text.connection.lostHint : text.connection.liveHint;
  return html`${renewed}<span class=${`connection ${is}`} role="status" title=${hint}><span class="dot" aria-hidden="true"></span>${text.connection[is]}</span>`;
}

follow();
watchImages();
const place = /** @type {HTMLElement} */ (document.getElementById('app'));
place.replaceChildren();
render(html`<${App} />`, place);
