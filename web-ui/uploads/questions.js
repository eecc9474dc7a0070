// Questions before a file is sent, so that no file is replaced by surprise or sent in vain.
import { state as stateOf } from '../lib/image.js';
import { files } from '../lib/live.js';
import { complaint } from '../lib/names.js';
import { text } from '../text.js';
import { uploads } from './list.js';

/** @import {Store} from '../types' */
/** @import {Question, Upload} from './list.js' */

/**
 * Why an upload cannot begin before the user decides.
 * @param {Upload} upload
 * @returns {Question | undefined}
 */
export function question({ key, name, store, id, replaces }) {
  if (id) return undefined;
  if (complaint(name)) return 'name';
  const present = files[store].value.get(name);
  if (present?.local) return 'local';
  if (present?.images?.length && stateOf(present) !== 'failed') return 'used';
  const earlier = uploads.value.slice(0, uploads.value.findIndex((one) => one.key === key));
  if (earlier.some((one) => one.store === store && one.name === name && !['done', 'asking'].includes(one.state))) return 'twice';
  return present && !replaces ? 'exists' : undefined;
}

/** Whether a file has this name, or will have it. @param {Store} store @param {string} name */
export const isTaken = (store, name) => files[store].value.has(name) || uploads.value.some((one) => one.store === store && one.name === name);

/** The question in words. @param {Upload} upload */
export function questionOf({ question = 'exists', name, offered }) {
  const { questions } = text.uploads;
  if (question === 'name') return questions.name(complaint(name));
  if (question === 'other') return questions.other(offered ?? '');
  return questions[question];
}
