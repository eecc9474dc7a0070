// The web server that images are downloaded from.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

// The interval of a held file's bytes, in milliseconds.
const BEAT = 250;

/** A server of a few files, which can hold its clients. */
export class Web {
  /** The bytes sent at once; the rest trickles until released, since a silent connection would time out. */
  limit = Infinity;
  /** Bytes per second of the trickle. */
  pace = 4000;
  /** The answer in place of the file. */
  status = 0;
  /** The requests, as method and path. */
  asked = [];
  #files = new Map();
  #waiting = new Set();

  static async open() {
    const web = new Web();
    web.server = createServer((request, response) => web.#answer(request, response));
    web.server.listen(0, '127.0.0.1');
    await once(web.server, 'listening');
    web.url = `http://127.0.0.1:${web.server.address().port}`;
    return web;
  }

  /** Offers a file, padded with zeros to a size; returns its link. */
  offer(name, path, size = 0) {
    const head = readFileSync(path);
    this.#files.set(`/${name}`, { head, size: Math.max(Math.round(size), head.length) });
    return `${this.url}/${name}`;
  }

  /** Releases all transfers. */
  release() {
    this.limit = Infinity;
    for (const go of [...this.#waiting]) go();
  }

  close() {
    this.server.close();
    this.server.closeAllConnections();
  }

  #answer(request, response) {
    this.asked.push(`${request.method} ${request.url}`);
    const file = this.#files.get(request.url);
    if (this.status || !file) {
      response.writeHead(this.status || 404).end();
      return;
    }
    const { size } = file;
    const from = Number(request.headers.range?.match(/^bytes=(\d+)-/)?.[1] ?? 0);
    response.writeHead(from ? 206 : 200, {
      'Content-Length': size - from,
      'Accept-Ranges': 'bytes',
      ETag: '"1"',
      ...(from && { 'Content-Range': `bytes ${from}-${size - 1}/${size}` }),
    });
    if (request.method === 'HEAD') {
      response.end();
      return;
    }
    let at = Math.min(size, Math.max(from, this.limit));
    response.write(part(file, from, at));
    if (at === size) {
      response.end();
      return;
    }
    const trickle = setInterval(() => {
      const end = Math.min(size, at + Math.round((this.pace * BEAT) / 1000));
      response.write(part(file, at, end));
      at = end;
      if (at === size) rest();
    }, BEAT);
    const over = () => {
      clearInterval(trickle);
      this.#waiting.delete(rest);
    };
    const rest = () => {
      over();
      response.end(part(file, at, size));
    };
    this.#waiting.add(rest);
    response.on('close', over);
  }
}

/** The bytes of a file from `start` to before `end`. */
function part({ head }, start, end) {
  const bytes = Buffer.alloc(end - start);
  if (start < head.length) head.copy(bytes, 0, start);
  return bytes;
}
