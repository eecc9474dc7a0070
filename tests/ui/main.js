// The scenarios of the web UI: node main.js BINARY FOLDER PICTURES [SCENARIO…]
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { HOST, REBOUND, Scene } from './scene.js';
import * as activity from './activity.js';
import * as adding from './adding.js';
import * as addresses from './addresses.js';
import * as current from './current.js';
import * as everywhere from './everywhere.js';
import * as files from './files.js';
import * as hostile from './hostile.js';
import * as images from './images.js';
import * as many from './many.js';
import * as moving from './moving.js';
import * as otherPages from './other_pages.js';
import * as proxied from './proxied.js';
import * as sources from './sources.js';
import * as states from './states.js';
import * as tree from './tree.js';
import * as uploads from './uploads.js';
import * as uppy from './uppy.js';
import * as windows from './windows.js';

const named = (...modules) => modules.flatMap((module) => Object.values(module));
// Scenarios that measure run alone. Of the others the long ones run first.
const MEASURING = named(sources, many);
const OTHERS = named(
  everywhere,
  states,
  hostile,
  windows,
  uploads,
  uppy,
  images,
  moving,
  current,
  adding,
  files,
  activity,
  tree,
  addresses,
  otherPages,
  proxied,
);
const SCENARIOS = [...MEASURING, ...OTHERS];

// Scenarios at once: they mostly wait.
const AT_ONCE = 3;
// The limits of one scenario and of all together, in milliseconds. An idle machine needs a fourth.
const LIMIT = 90_000;
const LIMIT_OF_ALL = 280_000;

const [binary, folder, pictures, ...chosen] = process.argv.slice(2);
const isChosen = ({ name }) => chosen.length === 0 || chosen.includes(name);
const unknown = chosen.filter((name) => !SCENARIOS.some((scenario) => scenario.name === name));
if (unknown.length > 0)
  fail(`there is no scenario ${unknown}; there are ${SCENARIOS.map(({ name }) => name).join(' ')}`);

setTimeout(() => fail(`it is not over after ${LIMIT_OF_ALL / 1000} s`), LIMIT_OF_ALL).unref();

// Each service ends with this process.
process.setMaxListeners(0);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--no-sandbox',
    '--disable-background-networking',
    `--host-resolver-rules=MAP ${HOST} 127.0.0.1, MAP ${REBOUND} 127.0.0.1`,
  ],
});
const figures = [];
const failed = [];
let passed = 0;
await work(MEASURING.filter(isChosen), 1);
await work(OTHERS.filter(isChosen), AT_ONCE);
await browser.close();
for (const figure of figures) console.log(`check: ${figure}`);
if (failed.length > 0) fail(`${passed} passed, ${failed.length} failed: ${failed.join(' ')}`);
console.log(`${passed} passed, 0 failed`);
process.exit(0);

/** Runs this many scenarios at once. */
async function work(waiting, atOnce) {
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (let scenario = waiting.shift(); scenario; scenario = waiting.shift()) await run(scenario);
    }),
  );
}

/** Runs one and reports the result. */
async function run(scenario) {
  const started = Date.now();
  const scene = new Scene(browser, binary, join(folder, scenario.name), pictures);
  let limit;
  try {
    const late = new Promise((_, reject) => {
      limit = setTimeout(() => reject(new Error(`it is not over after ${LIMIT / 1000} s`)), LIMIT);
    });
    await Promise.race([scenario(scene).then(() => scene.end()), late]);
    passed += 1;
    console.log(`ui: ${scenario.name} ${((Date.now() - started) / 1000).toFixed(1)} s`);
  } catch (error) {
    failed.push(scenario.name);
    console.log(
      `ui: ${scenario.name} FAILED\n${error.stack ?? error}\n${await scene.explain(join(pictures, `failed-${scenario.name}`))}`,
    );
  } finally {
    clearTimeout(limit);
    for (const figure of scene.figures) console.log(`ui: ${figure}`);
    figures.push(...scene.figures);
    await scene.drop();
  }
}

function fail(why) {
  console.log(`ui: FAILED: ${why}`);
  process.exit(1);
}
