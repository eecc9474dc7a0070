// Bytes to upload.
import { createCipheriv, createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

const BLOCK = 16;
const ZEROS = Buffer.alloc(1 << 16);

/**
 * Pseudo-random bytes, others for each seed. They can be read from any offset on, so gigabytes of them need neither memory nor disk;
 * and no two blocks are the same, so nothing that is lost, doubled or misplaced goes unnoticed.
 *
 * tus-js-client takes it as a source of its own, which is what its option `fileReader` is for.
 */
export class Data {
  constructor(seed, size) {
    this.key = Buffer.alloc(BLOCK, seed);
    this.size = size;
  }

  /** A stream of the bytes from `start` to before `end`. */
  read(start, end) {
    const pieces = this.#pieces(start, end);
    return new Readable({
      read() {
        this.push(pieces.next().value ?? null);
      },
    });
  }

  digest() {
    const hash = createHash('sha256');
    for (const piece of this.#pieces(0, this.size)) hash.update(piece);
    return hash.digest('hex');
  }

  write(path) {
    return pipeline(this.read(0, this.size), createWriteStream(path));
  }

  async slice(start, end) {
    const value = this.read(start, end);
    value.size = end - start;
    return { value, done: end >= this.size };
  }

  close() {}

  *#pieces(start, end) {
    const counter = Buffer.alloc(BLOCK);
    counter.writeBigUInt64BE(BigInt(Math.floor(start / BLOCK)), BLOCK / 2);
    const cipher = createCipheriv('aes-128-ctr', this.key, counter);
    cipher.update(ZEROS.subarray(0, start % BLOCK));
    for (let at = start; at < end; at += ZEROS.length) {
      yield cipher.update(ZEROS.subarray(0, Math.min(ZEROS.length, end - at)));
    }
  }
}
