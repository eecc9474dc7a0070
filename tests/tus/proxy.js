// A network that breaks.
import { once } from 'node:events';
import { createServer, connect } from 'node:net';

// A connection that was closed on our side and is not closed by the service within this time is reset, in milliseconds.
const LINGER = 10_000;

/** A TCP proxy in front of the service, which cuts connections. It knows nothing of HTTP. */
export class Proxy {
  /** What each new connection may carry to the service, in bytes, before it is cut. */
  limit = Infinity;
  /** What happens when a connection has carried that much, just before it is cut. */
  atLimit = async () => {};
  /** After so many bytes of a connection its answer is lost: instead of passing it on the connection is cut. */
  deafAfter = Infinity;
  /** How many connections were cut. */
  cuts = 0;
  /** Bytes that went to the service. */
  carried = 0;

  /** Opens a proxy on a free port. The service may move to another port at any time. */
  static async open(service) {
    const proxy = new Proxy();
    proxy.server = createServer((client) => proxy.#carry(client, connect(service.port, '127.0.0.1')));
    proxy.server.listen(0, '127.0.0.1');
    await once(proxy.server, 'listening');
    proxy.url = `http://127.0.0.1:${proxy.server.address().port}`;
    return proxy;
  }

  close() {
    this.server.close();
  }

  #carry(client, service) {
    const deafAfter = this.deafAfter;
    let left = this.limit;
    let carried = 0;
    client.on('data', (chunk) => {
      const part = chunk.subarray(0, left);
      left -= part.length;
      carried += part.length;
      this.carried += part.length;
      const full = !service.write(part);
      if (left === 0) {
        client.pause();
        this.atLimit().then(() => this.#cut(client, service));
      } else if (full) {
        client.pause();
        service.once('drain', () => client.resume());
      }
    });
    service.on('data', (chunk) => {
      if (carried < deafAfter) client.write(chunk);
      else if (!client.destroyed) this.#cut(client, service);
    });
    // A refused or broken connection is a closed one.
    for (const [socket, other] of [[client, service], [service, client]]) {
      socket.on('error', () => {});
      socket.on('close', () => other.destroySoon());
    }
  }

  /** The client finds its connection reset. The service finds it reset or closed, in turn. */
  #cut(client, service) {
    this.cuts += 1;
    client.resetAndDestroy();
    if (this.cuts % 2 === 0) service.resetAndDestroy();
    else {
      service.end();
      service.setTimeout(LINGER, () => service.destroy());
    }
  }
}
