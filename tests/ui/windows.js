// Several windows of one browser, which by HTTP/1.1 have six connections to the service together.
import assert from 'node:assert/strict';
import { iso } from './isos.js';
import { lists, row, SMALL } from './lists.js';
import { live } from './scene.js';
import { until } from './until.js';

/** As many as on a wall of screens: more than a browser's connections. */
const WINDOWS = 8;
/** How long one hangs: longer than the others wait for it, in milliseconds. */
const HANG = 10_000;

/** The windows with an open stream of events, followed from before they load. */
function watched(person) {
  const open = new Map();
  const isStream = (request) => new URL(request.url()).pathname.endsWith('/events');
  person.on('request', (request) => isStream(request) && open.set(request, request.frame().page()));
  for (const end of ['requestfailed', 'requestfinished']) person.on(end, (request) => open.delete(request));
  return () => [...open.values()].filter((page) => !page.isClosed());
}

/** Waits until one window listens, and returns it. */
async function listener(listening) {
  await until('one window listens', async () => listening().length === 1);
  return listening()[0];
}

/** All windows live, and learn of changes although the listening one is closed, hangs and comes back. */
export async function oneWindowListensForAll(scene) {
  const service = await scene.serve({}, (service) => iso(service.stored('a.iso'), SMALL));
  const person = await scene.person();
  const listening = watched(person);
  const pages = [];
  const titles = [];
  const changed = async (seen = pages) => {
    titles.push(`photon ${titles.length + 1}.0`);
    await service.register('photon', `${titles.length}.0`, { isostore: 'a.iso' });
    await Promise.all(seen.map((page) => lists(page, titles)));
  };
  for (let at = 0; at < WINDOWS; at += 1) pages.push(await scene.look('', { person }));
  await listener(listening);
  await changed();

  // Windows close one after another, the listening one each time.
  for (let at = 0; at < 2; at += 1) {
    const gone = await listener(listening);
    pages.splice(pages.indexOf(gone), 1);
    await gone.close();
    await changed();
    await Promise.all(pages.map(live));
  }
  // Another one is reloaded.
  const old = await listener(listening);
  await old.reload();
  await changed();
  await listener(listening);

  // It hangs, and comes back while another one listens.
  const hung = await listener(listening);
  const others = pages.filter((page) => page !== hung);
  const back = hung.evaluate((time) => {
    for (const end = Date.now() + time; Date.now() < end; );
  }, HANG);
  await changed(others);
  assert.ok(listening().some((page) => page !== hung));
  await back;
  await changed();
  await listener(listening);

  // They learn together that the service is gone and is back.
  await service.stop();
  await Promise.all(pages.map((page) => page.getByRole('status').getByText('Reconnecting…').waitFor()));
  await service.start();
  await Promise.all(pages.map(live));
  await changed();
  await row(pages[0], /photon 1\.0/).getByRole('button', { name: 'Delete photon 1.0' }).click();
  await pages[0].getByRole('button', { name: 'Delete image' }).click();
  await Promise.all(pages.map((page) => lists(page, titles.slice(1))));
}

/** Uploads of several windows leave connections for everything else. */
export async function uploadsOfSeveralWindows(scene) {
  const service = await scene.serve();
  const network = await scene.network();
  network.limit = 1e6;
  const person = await scene.person();
  const files = (letter) =>
    [1, 2, 3].map((at) => ({ name: `${letter}${at}.iso`, mimeType: '', buffer: Buffer.alloc(8e6, letter) }));
  const [first, second] = [await scene.look('#/files', { person }), await scene.look('#/files', { person })];
  const uploads = (page) => page.getByRole('region', { name: 'Uploads' });
  await first.getByLabel('Upload files…').setInputFiles(files('a'));
  await uploads(first).getByText('3 going', { exact: true }).waitFor();
  await uploads(second).getByRole('listitem').nth(2).waitFor();
  await second.getByLabel('Upload files…').setInputFiles(files('b'));
  await uploads(second).getByText('1 going, 2 waiting').waitFor();
  // A third window still loads.
  await scene.look('', { person });
  network.limit = Infinity;
  for (const page of [first, second])
    await until(
      'all its uploads are done',
      async () => (await uploads(page).getByText('It is in the store.').count()) === 3,
    );
  assert.equal((await service.get('/iso')).length, 6);
}
