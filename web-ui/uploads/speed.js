// The rate of a transfer: the mean of the last seconds.

/** The time over which the mean is taken, milliseconds. */
const WINDOW = 6000;
/** How far apart two samples are at least, milliseconds. */
const APART = 200;

export class Speed {
  /** Bytes that have gone. */
  done = 0;
  /** @type {{time: number, done: number}[]} */
  #samples = [];
  #heard = 0;

  /** Starts over from this number of bytes. @param {number} done */
  start(done) {
    const time = performance.now();
    this.done = done;
    this.#heard = time;
    this.#samples = [];
  }

  /** @param {number} done */
  note(done) {
    const time = performance.now();
    this.#heard = time;
    this.done = done;
    // The first sample counts bytes of earlier connections, which are no rate.
    if (time - (this.#samples.at(-1)?.time ?? -APART) >= APART) this.#samples.push({ time, done });
  }

  /** How long no sample came, milliseconds. */
  get silence() {
    return performance.now() - this.#heard;
  }

  /** Bytes a second; undefined while there are too few samples. */
  get rate() {
    const now = performance.now();
    const since = this.#samples.findLastIndex((sample) => now - sample.time >= WINDOW);
    if (since > 0) this.#samples.splice(0, since);
    const [first] = this.#samples;
    if (!first || now - first.time < 2 * APART) return null;
    return ((this.done - first.done) * 1000) / (now - first.time);
  }

  /** Seconds until all of `size` has gone. @param {number} size */
  left(size) {
    const rate = this.rate;
    return rate ? (size - this.done) / rate : null;
  }
}
