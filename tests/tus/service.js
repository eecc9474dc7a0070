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
  reserveBytes: 0,
  // A broken upload must not delay a stop.
  shutdownTimeout: 200,
};

/** The real binary in a folder of its own, on free ports of the loopback. */
export class Service {
  constructor(binary, folder) {
    this.binary = binary;
    this.config = join(folder, 'config.json');
    this.log = join(folder, 'log');
    for (const store of ['iso', 'common']) mkdirSync(join(folder, 'static', store), { recursive: true });
    writeFileSync(this.config, JSON.stringify(CONFIG));
    process.on('exit', () => this.process?.kill('SIGKILL'));
  }

  /** Starts it, or starts it again on another port. */
  async start() {
    this.process = spawn(this.binary, ['--config', this.config], {
      stdio: ['ignore', 'pipe', openSync(this.log, 'a')],
      env: {},
    });
    for await (const line of createInterface({ input: this.process.stdout })) {
      const [, port] = line.match(/^northbound +http:.*:(\d+)\//) ?? [];
      if (port) this.port = Number(port);
      if (line.startsWith('images ') && this.port) return;
    }
    throw new Error('the service did not start');
  }

  async stop(signal = 'SIGTERM') {
    const ended = once(this.process, 'exit');
    this.process.kill(signal);
    const [code, by] = await ended;
    assert.deepEqual([code, by], signal === 'SIGTERM' ? [0, null] : [null, signal], `the end by ${signal}`);
    this.process = null;
  }

  /** The JSON answer to a GET. */
  async get(path) {
    const response = await fetch(`http://127.0.0.1:${this.port}${path}`);
    const text = await response.text();
    assert.equal(response.status, 200, `GET ${path}: ${text}`);
    return JSON.parse(text);
  }

  /** Its peak memory since the start, in MiB. */
  memory() {
    const [, kibibytes] = readFileSync(`/proc/${this.process.pid}/status`, 'utf8').match(/^VmHWM:\s+(\d+)/m);
    return Math.ceil(kibibytes / 1024);
  }

  /** The end of its log, and whether it still runs. */
  said() {
    const { exitCode, signalCode } = this.process ?? {};
    const state =
      (exitCode ?? signalCode ?? null) === null ? 'runs' : `has ended by itself: ${exitCode ?? signalCode}`;
    return `${readFileSync(this.log, 'utf8').split('\n').slice(-100).join('\n')}the service ${state}`;
  }
}
