// The API over HTTP: the same requests that every client can make.
import { text } from '../text.js';

/** The service's root, wherever a proxy has put it: this file lies three folders below. */
export const root = new URL('../../../', import.meta.url);

/** A request that failed. */
export class ApiError extends Error {
  /**
   * @param {string} message text for the user
   * @param {number} status of the answer; 0 if there was none
   * @param {{parameter?: string, isForeign?: boolean}} [more] the parameter that led to the error; whether the answer is a proxy's
   */
  constructor(message, status, { parameter, isForeign = false } = {}) {
    super(message);
    this.status = status;
    this.parameter = parameter;
    this.isForeign = isForeign;
  }
}

/**
 * The error that an answer tells. The service's own are problems (RFC 9457), never pages, and do not name a
 * server; others are of a proxy between.
 * @param {number} status
 * @param {(field: string) => string | null | undefined} header
 * @param {any} body its JSON, if it is that
 */
export function refusal(status, header, body) {
  const { errors } = text;
  const [type, server] = [header('Content-Type') ?? '', header('Server') ?? ''];
  const isProblem = status >= 400 && type.startsWith('application/problem+json');
  if (isProblem || !(server || type.startsWith('text/html'))) return new ApiError(body?.detail ?? errors.odd(status), status, { parameter: body?.parameter });
  const [name] = server.match(/^[\w./ -]{1,40}/) ?? [];
  return new ApiError(errors.foreign(status, name), status, { isForeign: true });
}

/** @typedef {Record<string, string | number | string[] | null | undefined>} Parameters */

/**
 * The URL of a path of the API. Parameters without a value are left out.
 * @param {string} path from the root, without a leading slash
 * @param {Parameters} [parameters]
 */
export function url(path, parameters = {}) {
  const target = new URL(path, root);
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== '') target.searchParams.append(name, String(one));
    }
  }
  return target;
}

/**
 * Makes one request and gives the answer's JSON.
 * @param {string} method
 * @param {string} path
 * @param {Parameters} [parameters]
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export async function request(method, path, parameters, signal) {
  let answer;
  try {
    answer = await fetch(url(path, parameters), { method, signal, headers: { Accept: 'application/json' } });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(text.errors.unreachable, 0);
  }
  // An empty body is a valid answer; a truncated one, or one of a proxy, is not.
  const body = answer.status === 204 ? null : await answer.json().catch(() => undefined);
  if (answer.ok && body !== undefined) return body;
  if (answer.ok && isJson(answer)) throw new ApiError(text.errors.unreachable, 0);
  throw refusal(answer.status, (field) => answer.headers.get(field), body);
}

/** @param {Response} answer */
const isJson = ({ headers }) => headers.get('Content-Type')?.startsWith('application/json');

/** @param {string} path @param {Parameters} [parameters] @param {AbortSignal} [signal] */
export const get = (path, parameters, signal) => request('GET', path, parameters, signal);

/**
 * A path of segments, each encoded.
 * @param {...string} segments
 */
export const path = (...segments) => segments.map(encodeURIComponent).join('/');
