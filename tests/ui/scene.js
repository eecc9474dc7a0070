// One scenario: a service of its own, a browser, and a watch for forbidden events.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Network } from './network.js';
import { Proxy } from './proxy.js';
import { Service } from './service.js';
import { Web } from './web.js';

// A host name for the loopback that only the browser resolves: by plain HTTP it is no secure context, as for
// operators.
export const HOST = 'images.test';
// Another one, by which the service may not be called.
export const REBOUND = 'rebound.test';
const SIZE = { width: 1280, height: 900 };
// The limit of a step in milliseconds, on a busy machine.
const PATIENCE = 15_000;

// Log lines of the browser about refused or broken requests, which scenarios cause on purpose.
const HARMLESS = /^Failed to load resource: /;

/** Runs in each page: reports violations of the policy, and adds up layout shifts. */
function watch() {
  addEventListener('securitypolicyviolation', (event) =>
    console.error(
      `CSP: ${event.violatedDirective} forbids ${event.blockedURI} at ${event.sourceFile}:${event.lineNumber}`,
    ),
  );
  window.shifted = 0;
  new PerformanceObserver((list) => {
    for (const { value, hadRecentInput } of list.getEntries()) if (!hadRecentInput) window.shifted += value;
  }).observe({ type: 'layout-shift', buffered: true });
}

export class Scene {
  /** Forbidden events: errors, violations of the policy, dialogs, requests to other hosts. */
  complaints = [];
  /** Measurements, as text. */
  figures = [];
  #open = [];
  #origins = new Set();

  constructor(browser, binary, folder, pictures) {
    this.browser = browser;
    this.binary = binary;
    this.folder = folder;
    this.pictures = pictures;
    mkdirSync(folder, { recursive: true });
  }

  /** Starts the scenario's service. `prepare` may put files into its folders before. */
  async serve(settings, prepare = () => {}) {
    this.service = new Service(this.binary, this.folder, settings);
    await prepare(this.service);
    await this.service.start();
    this.origin = this.through(this.service.port);
    return this.service;
  }

  /** The page's origin on a port, to which requests are allowed from now on. */
  through(port, host = HOST) {
    const origin = `http://${host}:${port}`;
    this.#origins.add(origin);
    return origin;
  }

  /** A web server to download from. */
  async web() {
    const web = await Web.open();
    this.#open.push(web);
    return web;
  }

  /** A network between page and service that can be broken. */
  async network() {
    const network = await Network.open(this.service);
    this.#open.push(network);
    this.origin = this.through(network.port);
    return network;
  }

  /** A proxy in front of the service, which puts it below a path of its own. */
  async proxy() {
    const proxy = await Proxy.open(this.service);
    this.#open.push(proxy);
    this.origin = this.through(proxy.port) + proxy.prefix;
    return proxy;
  }

  /** A browser without cookies or stored data. */
  async person({ scheme = 'light', size = SIZE, touch = false, script } = {}) {
    const context = await this.browser.newContext({
      viewport: size,
      colorScheme: scheme,
      hasTouch: touch,
      reducedMotion: 'reduce',
    });
    this.#open.push(context);
    context.setDefaultTimeout(PATIENCE);
    await context.addInitScript(watch);
    if (script) await context.addInitScript(script);
    context.on('console', (message) => {
      if (message.type() === 'error' && !HARMLESS.test(message.text()))
        this.complaints.push(`console: ${message.text()}`);
    });
    context.on('weberror', (error) => this.complaints.push(`error: ${error.error().stack ?? error.error()}`));
    context.on('dialog', (dialog) => {
      // Leaving the page during an upload asks for confirmation.
      if (dialog.type() === 'beforeunload') {
        dialog.accept().catch(() => {});
        return;
      }
      this.complaints.push(`dialog: ${dialog.message()}`);
      dialog.dismiss().catch(() => {});
    });
    context.on('request', (request) => {
      const { protocol, origin } = new URL(request.url());
      if (!['data:', 'blob:'].includes(protocol) && !this.#origins.has(origin))
        this.complaints.push(`request to ${request.url()}`);
    });
    return context;
  }

  /** Opens a view; resolves when it shows the present state. */
  async look(view = '', options = {}) {
    const page = await (options.person ?? (await this.person(options))).newPage();
    this.page ??= page;
    await page.goto(`${options.origin ?? this.origin}/${view}`);
    await live(page);
    return page;
  }

  /** Ends the scenario; throws if a forbidden event was seen. */
  async end() {
    assert.deepEqual(this.complaints, []);
    await this.close();
    await this.service?.stop();
  }

  async close() {
    for (const one of this.#open.splice(0)) await one.close();
  }

  /** Texts that may explain a failure. */
  async explain(picture) {
    const lines = [...this.complaints];
    const pages = this.#open.flatMap((one) => one.pages?.() ?? []);
    for (const [at, page] of pages.entries()) {
      lines.push(`page ${page.url()}`);
      await page.screenshot({ path: `${picture}-${at}.png`, timeout: 3000 }).catch(() => {});
      const words = await page
        .locator('body')
        .ariaSnapshot({ timeout: 3000 })
        .catch(() => '');
      lines.push(words.slice(0, 6000));
    }
    if (this.service?.process) lines.push(this.service.said());
    return lines.join('\n');
  }

  /** Ends what a failed scenario left running. */
  async drop() {
    await this.close().catch(() => {});
    this.service?.process?.kill('SIGKILL');
  }

  path(name) {
    return join(this.folder, name);
  }
}

/** Waits until a page shows the present state. */
export const live = (page) => page.getByRole('status').getByText('Live', { exact: true }).waitFor();
