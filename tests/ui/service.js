// The service under test.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const CONFIG = {
  httpEndpoints: [
    { address: '127.0.0.1', port: 0, routers: 'northbound' },
    { address: '127.0.0.1', port: 0, routers: 'southbound' },
  ],
  // The name that the browser calls.
  allowedHosts: ['images.test'],
  minLogLevel: 2,
  reserveBytes: 0,
  // New files in the stores' folders are noticed soon.
  watchInterval: 300,
  // A broken download is retried soon and given up soon.
  downloadRetries: 2,
  downloadRetryDelay: 200,
  // Open pages must not delay a stop.
  shutdownTimeout: 200,
};

/** The real binary in a folder of its own, on free ports of the loopback. */
export class Service {
  /** @param settings keys that add to or override the configuration */
  constructor(binary, folder, settings = {}) {
    this.binary = binary;
    this.folder = folder;
    this.config = structuredClone({ ...CONFIG, ...settings });
    this.log = join(folder, 'log');
    for (const store of ['iso', 'common']) mkdirSync(join(folder, 'static', store), { recursive: true });
    process.on('exit', () => this.process?.kill('SIGKILL'));
  }

  /** The path of a file of a store. */
  stored(name, store = 'iso') {
    return join(this.folder, 'static', store, name);
  }

  /** Starts it, or starts it again on the same ports, for open pages. */
  async start() {
    const config = join(this.folder, 'config.json');
    writeFileSync(config, JSON.stringify(this.config));
    this.process = spawn(this.binary, ['--config', config], {
      stdio: ['ignore', 'pipe', openSync(this.log, 'a')],
      env: { PATH: process.env.PATH },
    });
    const ports = {};
    for await (const line of createInterface({ input: this.process.stdout })) {
      const [, router, port] = line.match(/^(northbound|southbound) +http:.*:(\d+)\//) ?? [];
      if (router) ports[router] = Number(port);
      if (!line.startsWith('images ')) continue;
      this.port = ports.northbound;
      this.southbound = `http://127.0.0.1:${ports.southbound}`;
      for (const endpoint of this.config.httpEndpoints) endpoint.port ||= ports[[endpoint.routers].flat()[0]];
      return this;
    }
    throw new Error('the service did not start');
  }

  async stop(signal = 'SIGTERM') {
    const ended = once(this.process, 'exit');
    this.process.kill(signal);
    const [code, by] = await ended;
    this.process = null;
    assert.deepEqual([code, by], signal === 'SIGTERM' ? [0, null] : [null, signal], `the end by ${signal}`);
  }

  /** The JSON answer to a request. */
  async ask(method, path, body) {
    const response = await fetch(`http://127.0.0.1:${this.port}${path}`, {
      method,
      body,
      headers: { Accept: 'application/json' },
    });
    const text = await response.text();
    assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`);
    return JSON.parse(text);
  }

  get(path) {
    return this.ask('GET', path);
  }

  /** The only image of a name, at present. */
  async image(name) {
    const [image, ...others] = await this.get(`/images?name=${encodeURIComponent(name)}`);
    assert.equal(others.length, 0);
    return image;
  }

  /** Registers an image. */
  register(name, version, source) {
    return this.ask('PUT', `/images?${new URLSearchParams({ name, version, ...source })}`);
  }

  /** The southbound answer to a GET. */
  async fetched(path) {
    const response = await fetch(`${this.southbound}${path}`);
    return { status: response.status, bytes: Buffer.from(await response.arrayBuffer()) };
  }

  /** The end of its log, and whether it still runs. */
  said() {
    const { exitCode, signalCode } = this.process ?? {};
    const state =
      (exitCode ?? signalCode ?? null) === null ? 'runs' : `has ended by itself: ${exitCode ?? signalCode}`;
    return `${readFileSync(this.log, 'utf8').split('\n').slice(-30).join('\n')}the service ${state}`;
  }
}
