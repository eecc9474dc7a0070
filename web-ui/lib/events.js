// The events of the service. One window of this browser listens and tells the others, because browsers keep
// six connections to a server by HTTP/1.1, and each stream holds one. The windows agree by messages: pages
// that came by plain HTTP have no Web Locks, and not every browser has shared workers.
import { signal } from '@preact/signals';
import * as api from './api.js';
import { randomKey } from './random.js';

/** How often the listening window tells that it is there, milliseconds. */
const BEAT = 2000;
/** After such a silence it hangs or is gone, and another window listens, milliseconds. */
const SILENCE = 3 * BEAT;
/** How long windows wait by chance, so that not all of them follow a listener that goes, milliseconds. */
const CHANCE = 150;
/** After this a hidden window leaves listening to others, milliseconds. */
const UNSEEN = 30_000;
/**
 * How often an open stream is checked, milliseconds. A computer that slept does not notice lost connections.
 */
const DOUBT = 30_000;
/** How long the answer to a check may take, milliseconds. */
const ANSWER = 10_000;
/** Pauses between tries to connect, milliseconds. */
const PAUSES = [500, 1000, 2000, 5000, 10_000];

const NAMES = ['hello', 'reset', ...['image', 'job', 'file'].flatMap((type) => [type, `${type}-removed`])];

/** @typedef {{from: string, since: number}} Listener a window, and when it began to listen */
/** @typedef {{name: string, data: string, id: string, after: string}} Event `after`: the id of the one before */
/** @typedef {{is: 'connecting' | 'open' | 'lost', why: string}} Reach `why` in words for the user */
/**
 * @typedef {object} Receiver
 * @property {() => void} reset events were missed: all lists have to be read
 * @property {(name: string, data: any) => void} change
 * @property {(about: any) => void} answered the service answered a check
 */

/** Whether events come in, to this window or to the one that listens. */
export const reach = signal(/** @type {Reach} */ ({ is: 'connecting', why: '' }));

const me = randomKey();
// Windows with another version of the page are strangers.
const channel = new BroadcastChannel(`image-service.events ${new URL('.', import.meta.url).pathname}`);

/** @type {Receiver} */
let receiver;
/** @type {EventSource | null} */
let stream = null;
/** When this window began to listen; 0 while it does not. */
let since = 0;
/** The window that listens instead. @type {(Listener & {heard: number}) | null} */
let other = null;
/** The id of the last event. */
let last = '';
let failures = 0;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let again;

/** Begins to follow the service; to be called once. @param {Receiver} to */
export function follow(to) {
  receiver = to;
  channel.addEventListener('message', ({ data }) => hear(data));
  channel.postMessage({ ask: true });
  connect();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let unseen;
  const look = () => {
    clearTimeout(unseen);
    if (document.hidden) unseen = setTimeout(leave, UNSEEN);
    else if (stream) void doubt();
    else if (since || !other || isSilent(other)) connect();
  };
  document.addEventListener('visibilitychange', look);
  // Pages are opened in the background as well.
  if (document.hidden) look();
  addEventListener('online', () => since && connect());
  // A page that goes into the browser's cache of pages must not keep a connection.
  addEventListener('pagehide', leave);
  addEventListener('pageshow', (event) => event.persisted && connect());
  setInterval(() => {
    if (since) beat();
    else if (other && isSilent(other)) takeOver();
  }, BEAT);
  setInterval(() => !document.hidden && stream && void doubt(), DOUBT);
}

/** The lists could not be read. */
export function unread() {
  if (since) {
    last = '';
    lost();
  } else {
    pause(receiver.reset);
  }
}

/** Listens in this window, until an older listener is heard. */
function connect() {
  close();
  since ||= Date.now();
  other = null;
  const source = new EventSource(api.url('events', { lastEventId: last }));
  stream = source;
  for (const name of NAMES) {
    source.addEventListener(name, (event) => {
      const told = { name, data: event.data, id: event.lastEventId || last, after: last };
      say({ told });
      take(told);
      if (reach.value.is !== 'open') arrived();
    });
  }
  // A resumed stream has only changes. Any other begins with `hello` or `reset`.
  source.addEventListener('open', () => last && arrived());
  source.addEventListener('error', () => source === stream && lost());
}

function close() {
  clearTimeout(again);
  stream?.close();
  stream = null;
}

function arrived() {
  failures = 0;
  reach.value = { is: 'open', why: '' };
  beat();
}

/** Connects again after a pause. Browsers do so themselves only after some errors. */
function lost() {
  close();
  const isFirst = last === '' && failures === 0;
  reach.value = { is: isFirst ? 'connecting' : 'lost', why: reach.value.why };
  beat();
  pause(connect);
  // An event source does not tell why it failed.
  void api.get('about', undefined, AbortSignal.timeout(ANSWER)).catch(({ message }) => {
    if (since && !stream) reach.value = { ...reach.value, why: message };
  });
}

/** @param {() => void} then */
function pause(then) {
  clearTimeout(again);
  again = setTimeout(then, PAUSES[Math.min(failures, PAUSES.length - 1)]);
  failures += 1;
}

/** Leaves listening to the other windows. */
function leave() {
  close();
  if (since) channel.postMessage({ left: me });
  since = 0;
  if (!other) reach.value = { is: 'connecting', why: '' };
}

/** Listens in the place of a window that left or hangs, if no other does so before. */
function takeOver() {
  other = null;
  if (document.hidden) leave();
  else setTimeout(() => other || since || connect(), Math.random() * CHANCE);
}

/** Asks whether the service still answers, and of which version it is. */
async function doubt() {
  const doubted = stream;
  try {
    receiver.answered(await api.get('about', undefined, AbortSignal.timeout(ANSWER)));
  } catch {
    if (stream && stream === doubted) lost();
  }
}

/** Tells the other windows something. @param {{told: Event} | {reach: Reach, last: string}} what */
const say = (what) => channel.postMessage({ from: me, since, ...what });
const beat = () => say({ reach: reach.value, last });

/** @param {Listener & {heard: number}} listener */
const isSilent = ({ heard }) => Date.now() - heard > SILENCE;

/** @param {Listener} one @param {Listener} two */
const isOlder = (one, two) => one.since < two.since || (one.since === two.since && one.from < two.from);

/** @param {any} message of another window */
function hear(message) {
  const { ask, left, from, since: begun, told } = message;
  if (ask) {
    if (since) beat();
  } else if (left) {
    if (other?.from === left) takeOver();
  } else if (since && isOlder({ from: me, since }, message)) {
    // Two listen: the younger one stops when it hears the older.
    if (!told) beat();
  } else if (since || !other || other.from === from || isSilent(other) || isOlder(message, other)) {
    if (since) close();
    since = 0;
    other = { from, since: begun, heard: Date.now() };
    if (told) take(told);
    else stand(message);
  }
}

/** @param {{reach: Reach, last: string}} standing of the window that listens */
function stand({ reach: now, last: theirs }) {
  if (now.is !== reach.value.is || now.why !== reach.value.why) reach.value = now;
  if (now.is !== 'open' || theirs === last) return;
  last = theirs;
  receiver.reset();
}

/** @param {Event} event */
function take({ name, data, id, after }) {
  const isMissed = after !== last;
  last = id;
  if (isMissed || name === 'hello' || name === 'reset') receiver.reset();
  else receiver.change(name, JSON.parse(data));
}
