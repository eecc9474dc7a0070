// The machines that fetch something.
import { useEffect, useState } from 'preact/hooks';
import * as api from './api.js';

/** @import {RunningTransfer, Transfers} from '../types' */

/** The address of a client, without its port. @param {string} client */
export const address = (client) => client.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');

/**
 * How many machines are fetching from a path, or below it if it ends in a slash, when it is called.
 * @param {string} path
 */
export function useMachines(path) {
  const [machines, setMachines] = useState(0);
  useEffect(() => {
    const asked = new AbortController();
    api.get('transfers', {}, asked.signal).then(
      (/** @type {Transfers} */ { running }) => {
        const there = running.filter((/** @type {RunningTransfer} */ one) => (path.endsWith('/') ? one.path.startsWith(path) : one.path === path));
        setMachines(new Set(there.map(({ client }) => address(client))).size);
      },
      () => {},
    );
    return () => asked.abort();
  }, [path]);
  return machines;
}
