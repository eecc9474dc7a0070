// The page shows the present state, through restarts and broken connections.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { iso } from './isos.js';
import { lists, row, SMALL, withImages } from './lists.js';
import { live } from './scene.js';
import { until } from './until.js';

/** Changes by other clients appear without a request. */
export async function keptUpToDate(scene) {
  const service = await scene.serve({}, (service) => iso(service.stored('a.iso'), SMALL));
  const page = await scene.look();
  await page.getByRole('heading', { name: 'No images yet' }).waitFor();
  await page.evaluate(() => (window.same = true));
  await service.register('photon', '5.0', { isostore: 'a.iso' });
  await lists(page, ['photon 5.0']);
  await service.ask('DELETE', '/images?name=photon&version=5.0');
  await page.getByRole('heading', { name: 'No images yet' }).waitFor();
  assert.equal(await page.evaluate(() => window.same), true, 'it is the same page');
}

/** The service is killed and comes back under an open page. */
export async function restartedUnderThePage(scene) {
  const service = await withImages(scene, [['photon', '4.0']]);
  const page = await scene.look();
  await lists(page, ['photon 4.0']);
  await page.evaluate(() => (window.same = true));
  await service.stop('SIGKILL');
  await page.getByRole('status').getByText('Reconnecting…').waitFor();
  await lists(page, ['photon 4.0']);
  await row(page, /photon/)
    .getByRole('button', { name: 'Delete photon 4.0' })
    .click();
  await page.getByRole('button', { name: 'Delete image' }).click();
  await page.getByText('The service cannot be reached. Is it running, and the network up?').waitFor();
  await page.keyboard.press('Escape');
  await service.start();
  await live(page);
  await service.register('photon', '5.0', { isostore: 'a.iso' });
  await lists(page, ['photon 4.0', 'photon 5.0']);

  await service.stop();
  await page.getByRole('status').getByText('Reconnecting…').waitFor();
  await service.start();
  await service.ask('DELETE', '/images?name=photon&version=4.0');
  await live(page);
  await lists(page, ['photon 5.0']);
  assert.equal(await page.evaluate(() => window.same), true, 'it is the same page');
}

/** A page that missed too many changes is told to reload everything. */
export async function awayForTooLong(scene) {
  const service = await withImages(scene, [['photon', '4.0']]);
  const network = await scene.network();
  const page = await scene.look();
  await lists(page, ['photon 4.0']);
  const told = page.waitForRequest((request) => /\/events\?lastEventId=./.test(request.url()));
  network.break();
  await page.getByRole('status').getByText('Reconnecting…').waitFor();
  await service.ask('DELETE', '/images?name=photon&version=4.0');
  // More changes than the service remembers.
  for (let at = 0; at < 4200; at += 1) writeFileSync(service.stored(`kernel-${at}`, 'common'), '');
  const seen = async () => (await service.get('/microkernel')).filter(({ status }) => status === 'OK').length;
  await until('the service has seen them', async () => (await seen()) === 4200);
  await service.register('photon', '5.0', { isostore: 'a.iso' });
  network.mend();
  const { pathname, search } = new URL((await told).url());
  assert.equal(await firstEvent(service, pathname + search), 'reset');
  await live(page);
  await lists(page, ['photon 5.0']);
}

/** The first block of a stream of events. */
async function firstEvent(service, path) {
  const stream = await fetch(`http://127.0.0.1:${service.port}${path}`);
  let words = '';
  for await (const chunk of stream.body) {
    words += Buffer.from(chunk);
    const [, name] = words.match(/^event: ?(.*)$/m) ?? [];
    // The end of the loop ends the stream.
    if (name) return name;
  }
  throw new Error(`there was no event: ${words}`);
}
