// A slow network that breaks.
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

// A held connection still carries some bytes, so that no timeout ends it: how many, and how often in
// milliseconds.
const TRICKLE = 2000;
const BEAT = 50;

/** A TCP proxy in front of the service, without knowledge of HTTP. */
export class Network {
  /** The bytes that each connection may carry to the service before it is held. */
  limit = Infinity;
  /** Bytes sent to the service. */
  carried = 0;
  #isBroken = false;
  #sockets = new Set();

  static async open(service) {
    const network = new Network();
    network.server = createServer((client) => network.#carry(client, service));
    network.server.listen(0, '127.0.0.1');
    await once(network.server, 'listening');
    network.port = network.server.address().port;
    return network;
  }

  /** Resets all connections; new ones are accepted. */
  cut() {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** Resets all connections, and new ones until it is mended. */
  break() {
    this.#isBroken = true;
    this.cut();
  }

  mend() {
    this.#isBroken = false;
  }

  close() {
    this.server.close();
    this.cut();
  }

  #carry(client, { port }) {
    if (this.#isBroken) {
      client.resetAndDestroy();
      return;
    }
    const service = connect(port, '127.0.0.1');
    for (const [socket, other] of [
      [client, service],
      [service, client],
    ]) {
      this.#sockets.add(socket);
      // A broken connection is a closed one.
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroySoon();
      });
    }
    service.pipe(client);
    this.#send(client, service).catch(() => client.destroy());
  }

  async #send(client, service) {
    let carried = 0;
    for await (const chunk of client) {
      for (let at = 0; at < chunk.length;) {
        const left = this.limit - carried;
        const piece = chunk.subarray(at, at + Math.max(TRICKLE, left));
        at += piece.length;
        carried += piece.length;
        this.carried += piece.length;
        if (!service.write(piece)) await once(service, 'drain');
        if (left <= 0) await sleep(BEAT);
      }
    }
    service.end();
  }
}
