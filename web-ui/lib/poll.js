// Asking again and again, where the service tells nothing by itself.
import { useEffect, useState } from 'preact/hooks';
import * as api from './api.js';

/** How long an answer may take, milliseconds. */
const PATIENCE = 15_000;
/** A service or a page that is slow is asked less often: the pause is at least this many times as long as the answer took. */
const REST = 4;

/**
 * What is at a path, read while the component is shown and the page is seen, never twice at a time; null before it is known.
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
      // What was read before stays when the service does not answer; the top of the page tells of that.
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
