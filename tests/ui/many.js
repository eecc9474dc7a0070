// Large lists stay smooth.
import assert from 'node:assert/strict';
import { inventory, ready } from './inventory.js';
import { iso, SYSTEMS, tar } from './isos.js';
import { until } from './until.js';

const IMAGES = 1000;
const ENTRIES = 100_000;
// The number of rows in the page, for a list of any length.
const MOST_ROWS = 150;
// Too slow on any machine, in milliseconds: until first paint, until a list is there, and between two frames
// while it is scrolled (the slowest of twenty).
const SLOW = { paint: 2000, list: 5000, frame: 500 };

const rows = (page, name) => page.getByRole('table', { name }).locator('tr').count();

/** Runs in the page: scrolls to the end, one step a frame; returns sorted milliseconds between frames. */
async function scrollThrough() {
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  const times = [];
  const end = () => document.documentElement.scrollHeight - innerHeight;
  for (let step = 1, before = await frame(); step <= 90; step += 1) {
    // A wheel's steps first, then jumps to the end.
    scrollTo(0, step <= 60 ? step * 120 : end() * ((step - 60) / 30));
    const now = await frame();
    times.push(now - before);
    before = now;
  }
  scrollTo(0, end());
  return times.sort((a, b) => a - b);
}

/** Milliseconds from the start of the navigation until first paint, and until a table had rows. */
const timed = async (page) => {
  await page.waitForFunction(() => window.listed);
  return page.evaluate(() =>
    [performance.getEntriesByName('first-contentful-paint')[0].startTime, window.listed].map(Math.round),
  );
};

const inWords = (times) =>
  `frames of ${times[Math.floor(times.length / 2)].toFixed(0)} ms in the middle and ${times[Math.floor(times.length * 0.95)].toFixed(0)} ms at the worst twentieth`;

/** Runs in each page: notes when a table has rows, in milliseconds since the navigation. */
function noteList() {
  const watch = new MutationObserver(() => {
    if (!document.querySelector('tbody a[data-row]')) return;
    window.listed = performance.now();
    watch.disconnect();
  });
  watch.observe(document, { childList: true, subtree: true });
}

export async function aThousandImages(scene) {
  const service = await scene.serve({}, async (service) => {
    await iso(service.stored('a.iso'), SYSTEMS.photon('5.0'));
    const image = (at) => ({
      id: `image-${at}`,
      name: `linux-${String(at % 40).padStart(2, '0')}`,
      version: `${Math.floor(at / 40)}.0`,
      iso: 'a.iso',
    });
    inventory(service, { images: Array.from({ length: IMAGES }, (_, at) => ready(service, image(at))) });
  });
  await until('all are served', async () => (await service.get('/images?status=OK')).length === IMAGES);
  const page = await scene.look('', { script: noteList });
  await page.getByText('1,000 images').waitFor();
  const table = page.getByRole('table', { name: 'Images' });
  const [paint, list] = await timed(page);
  const few = async () => {
    const count = await rows(page, 'Images');
    assert.ok(count < MOST_ROWS, `${count} rows`);
  };
  await few();
  assert.equal(await table.getAttribute('aria-rowcount'), '1001');
  const times = await page.evaluate(scrollThrough);
  await table.getByRole('link', { name: 'linux-39 24.0' }).waitFor();
  await few();
  await page.reload();
  await page.getByText('1,000 images').waitFor();
  const [paintAgain, listAgain] = await timed(page);
  scene.figures.push(
    `1,000 images: first paint after ${paint} ms and listed after ${list} ms (on a second visit ${paintAgain} and ${listAgain} ms), scrolled in ${inWords(times)}`,
  );
  assert.ok(paint < SLOW.paint && list < SLOW.list && times[Math.floor(times.length * 0.95)] < SLOW.frame);

  await page.keyboard.press('/');
  await page.keyboard.type('linux-07 24.0');
  await until(
    'one is left',
    async () => (await table.locator('a[data-row]').allInnerTexts()).join() === 'linux-07 24.0',
  );
  await page.getByRole('searchbox').fill('');
  await until('all are listed again', async () => (await table.getAttribute('aria-rowcount')) === '1001');
  await table.locator('a[data-row]').first().focus();
  await page.keyboard.press('End');
  await until('the last one has the focus', () =>
    page.evaluate(() => document.activeElement.textContent === 'linux-39 24.0'),
  );
  await page.keyboard.press('Home');
  await until('the first one has the focus', () =>
    page.evaluate(() => document.activeElement.textContent === 'linux-00 0.0'),
  );
  await few();
}

export async function aHundredThousandFiles(scene) {
  const name = (at) => `package-${String(at).padStart(6, '0')}.deb`;
  const service = await scene.serve({}, (service) =>
    tar(
      service.stored('a.tar'),
      Array.from({ length: ENTRIES }, (_, at) => `pool/${name(at)}`),
    ),
  );
  const image = await service.register('big', '1', { isostore: 'a.tar' });
  const page = await scene.look(`#/images/${image.id}?path=pool%2F`, { script: noteList });
  await page.getByText('100,000 entries').waitFor();
  const table = page.getByRole('table', { name: 'Files' });
  const [, list] = await timed(page);
  const few = async () => {
    const count = await rows(page, 'Files');
    assert.ok(count < MOST_ROWS, `${count} rows`);
  };
  await few();
  const times = await page.evaluate(scrollThrough);
  await table.getByRole('link', { name: name(ENTRIES - 1) }).waitFor();
  await few();
  const link = await table.getByRole('link', { name: name(ENTRIES - 1) }).getAttribute('href');
  assert.equal((await service.fetched(new URL(link).pathname)).status, 200);
  scene.figures.push(`100,000 files in one folder: listed after ${list} ms, scrolled in ${inWords(times)}`);
  assert.ok(list < SLOW.list && times[Math.floor(times.length * 0.95)] < SLOW.frame);

  await page.getByRole('searchbox', { name: 'Search below this folder' }).fill('package-04567');
  await until('ten are found', async () => (await table.locator('a[data-row]').count()) === 10);
}
