// The present rates of transfers. The service tells their average rates.
import { useRef } from 'preact/hooks';

/** @import {RunningTransfer, Transfers} from '../types' */

/**
 * @typedef {{sent: number, now: number, still: number}} Pace `now`: bytes a second; `still`: for how long nothing was sent, milliseconds
 */

/** How much of the last measurement goes into a rate, so that figures do not jump. */
const WEIGHT = 0.4;

/** @param {RunningTransfer} transfer */
export const keyOf = ({ client, path, started }) => `${client} ${started} ${path}`;

/**
 * The pace of each transfer, from one reading to the next.
 * @param {Transfers | null} all
 * @returns {Map<string, Pace>}
 */
export function usePaces(all) {
  const last = useRef({ all: /** @type {Transfers | null} */ (null), at: 0, paces: /** @type {Map<string, Pace>} */ (new Map()) });
  if (all && all !== last.current.all) {
    const at = performance.now();
    const { at: before, paces } = last.current;
    last.current = { all, at, paces: new Map(all.running.map((one) => [keyOf(one), pace(one, paces.get(keyOf(one)), at - before)])) };
  }
  return last.current.paces;
}

/**
 * @param {RunningTransfer} one
 * @param {Pace | undefined} known
 * @param {number} passed since then, milliseconds
 * @returns {Pace}
 */
function pace({ sent, rate }, known, passed) {
  if (!known) return { sent, now: rate, still: 0 };
  const moved = sent - known.sent;
  return { sent, now: known.now * (1 - WEIGHT) + (moved / Math.max(1, passed)) * 1000 * WEIGHT, still: moved > 0 ? 0 : known.still + passed };
}
