// Waiting for a condition.
import { setTimeout as sleep } from 'node:timers/promises';

// The limit in milliseconds, on a busy machine.
const LIMIT = 15_000;
const PAUSE = 50;

/** Repeats until `check` neither throws nor returns a false value; returns its value. */
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
    if (Date.now() > end)
      throw new Error(`it did not come true that ${what}: ${last?.message ?? last}`, { cause: last });
    await sleep(PAUSE);
  }
}
