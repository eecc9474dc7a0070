// Waiting for what must come true.
import { setTimeout as sleep } from 'node:timers/promises';

// How long that may take, in milliseconds, on a machine that is busy with other things as well.
const LIMIT = 15_000;
const PAUSE = 50;

/** Tries until `check` neither throws nor returns something false, and gives what it returned. */
export async function until(what, check, limit = LIMIT) {
  const end = Date.now() + limit;
  for (;;) {
    let last;
    try {
      last = await check();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`it did not come true that ${what}: ${last?.message ?? last}`, { cause: last });
    await sleep(PAUSE);
  }
}
