// A proxy in front of the service, as nginx is by default.
import { once } from 'node:events';
import { createServer, request } from 'node:http';

const TYPE = 'text/html';
const SERVER = 'nginx/1.22.1';
const page = (status) => `<html><head><title>${status}</title></head><body><h1>${status}</h1><hr>nginx/1.22.1</body></html>`;

/** Passes on what lies below `prefix`; what `refuse` gives a status for, it answers itself. */
export class Proxy {
  prefix = '/boot/images';
  /** Requests that lie elsewhere. */
  strays = [];
  /** @type {(asked: import('node:http').IncomingMessage) => number | undefined} */
  refuse = () => undefined;
  /** Whether the service sees the proxy's name for it in the place of the called one, as nginx does it by default. */
  hidesName = false;

  static async open(service) {
    const proxy = new Proxy();
    proxy.server = createServer((asked, answer) => proxy.#pass(asked, answer, service));
    proxy.server.listen(0, '127.0.0.1');
    await once(proxy.server, 'listening');
    proxy.port = proxy.server.address().port;
    return proxy;
  }

  close() {
    this.server.close();
    this.server.closeAllConnections();
  }

  #pass(asked, answer, { port }) {
    const isStray = !asked.url.startsWith(`${this.prefix}/`);
    if (isStray) this.strays.push(asked.url);
    const status = isStray ? 404 : this.refuse(asked);
    if (status) {
      asked.resume();
      answer.writeHead(status, { 'Content-Type': TYPE, Server: SERVER }).end(page(status));
      return;
    }
    const path = asked.url.slice(this.prefix.length);
    const headers = this.hidesName ? { ...asked.headers, host: `127.0.0.1:${port}` } : asked.headers;
    const passed = request({ port, method: asked.method, path, headers }, (answered) => {
      answer.writeHead(answered.statusCode, { ...answered.headers, Server: SERVER });
      answered.pipe(answer);
    });
    passed.on('error', () => answer.destroy());
    answer.on('close', () => passed.destroy());
    asked.pipe(passed);
  }
}
