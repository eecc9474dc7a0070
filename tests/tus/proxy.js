// A network that breaks.
import { once } from 'node:events';
import { createServer, connect } from 'node:net';

// The time in milliseconds after which a connection is reset that we have closed and the service has not.
const LINGER = 10_000;

/** A TCP proxy in front of the service, which cuts connections, without knowledge of HTTP. */
export class Proxy {
  /** The bytes that each new connection may carry to the service before it is cut. */
  limit = Infinity;
  /** Called when a connection has carried that much, just before it is cut. */
  atLimit = async () => {};
  /** After this many bytes a connection's answer is lost: the connection is cut instead. */
  deafAfter = Infinity;
  /** The number of connections cut. */
  cuts = 0;
  /** Bytes sent to the service. */
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
    // A refused or broken connection is closed.
    for (const [socket, other] of [
      [client, service],
      [service, client],
    ]) {
      socket.on('error', () => {});
      socket.on('close', () => other.destroySoon());
    }
  }

  /** The client's connection is reset; the service's is reset or closed, in turn. */
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
