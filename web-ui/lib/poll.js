// Polling, for what has no events.
import { useEffect, useState } from 'preact/hooks';
import * as api from './api.js';

/** How long an answer may take, milliseconds. */
const PATIENCE = 15_000;
/**
 * The pause is at least this many times as long as the answer took, so that a slow service is asked less
 * often.
 */
const REST = 4;

/**
 * The answer at a path, read again while the component and the page are visible; null before the first one.
 * @param {string} path
 * @param {number} pause between two readings, milliseconds; 0 stops
 * @param {unknown} [occasion] when this changes, it is read at once
 * @returns {unknown}
 */
export function usePolled(path, pause, occasion) {
  const [answer, setAnswer] = useState(/** @type {unknown} */ (null));
  useEffect(() => {
    if (pause === 0) return;
    const ended = new AbortController();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let next;
    let isBusy = false;
    const turn = async () => {
      clearTimeout(next);
      if (isBusy || document.hidden) return;
      isBusy = true;
      const began = performance.now();
      // The last answer stays while the service does not answer; the head of the page tells so.
      await api.get(path, {}, AbortSignal.any([ended.signal, AbortSignal.timeout(PATIENCE)])).then(
        (found) => ended.signal.aborted || setAnswer(found),
        () => {},
      );
      isBusy = false;
      if (!ended.signal.aborted) next = setTimeout(turn, Math.max(pause, REST * (performance.now() - began)));
    };
    document.addEventListener('visibilitychange', turn);
    void turn();
    return () => {
      ended.abort();
      clearTimeout(next);
      document.removeEventListener('visibilitychange', turn);
    };
  }, [path, pause, occasion]);
  return answer;
}
