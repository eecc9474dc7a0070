// Actions on images.
import assert from 'node:assert/strict';
import { iso } from './isos.js';
import { lists, row, SMALL, withImages } from './lists.js';
import { until } from './until.js';

/** Before deletion the page says what will stop working, and offers to cancel. */
export async function deletedAfterAQuestion(scene) {
  const service = await withImages(scene, [['photon', '5.0']]);
  const page = await scene.look();
  const opener = row(page, /photon/).getByRole('button', { name: 'Delete photon 5.0' });
  await opener.click();
  const question = page.getByRole('dialog', { name: 'Delete photon 5.0?' });
  await question.getByText('This URL and all below it will answer 404:').waitFor();
  await question.getByText(`${service.southbound}/photon/5.0/`).waitFor();
  await question.getByText('The ISO a.iso stays in the store').waitFor();
  await question.getByRole('button', { name: 'Cancel' }).click();
  await question.waitFor({ state: 'detached' });
  assert.ok(await opener.evaluate((button) => button === document.activeElement), 'the focus is back');
  assert.equal((await service.get('/images')).length, 1);
  await opener.click();
  await question.getByRole('button', { name: 'Delete image' }).click();
  await page.getByRole('heading', { name: 'No images yet' }).waitFor();
  await page.getByRole('log', { name: 'Messages' }).getByText('photon 5.0 was deleted.').waitFor();
  assert.equal((await service.fetched('/photon/5.0/')).status, 404);
  assert.equal((await service.fetched('/iso/a.iso')).status, 200);
}

/** Before an image is deleted, the page names a machine that installs from it. */
export async function deletedUnderAMachine(scene) {
  const service = await scene.serve({ transferRate: 500_000 }, (service) =>
    iso(service.stored('a.iso'), { big: Buffer.alloc(20e6, 1) }),
  );
  await service.register('linux', '1', { isostore: 'a.iso' });
  const machine = new AbortController();
  const answer = await fetch(`${service.southbound}/linux/1/big`, { signal: machine.signal });
  const page = await scene.look();
  await row(page, /linux/).getByRole('button', { name: 'Delete linux 1' }).click();
  await page.getByRole('dialog').getByText('1 machine is fetching files from it right now.').waitFor();
  machine.abort();
  await answer.text().catch(() => {});
}

/** A cancelled download keeps its bytes and is resumed. */
export async function cancelledAndTakenUpAgain(scene) {
  const service = await scene.serve();
  const web = await scene.web();
  const link = web.offer('linux-1.iso', await iso(scene.path('a.iso'), SMALL, { size: 8e6 }));
  web.limit = 4e6;
  await service.register('linux', '1', { isoweb: link, wait: '0' });
  const page = await scene.look();
  const bar = page.getByRole('progressbar', { name: 'linux 1' });
  await until('half of it has come', async () => (await bar.getAttribute('aria-valuenow')) === '50');
  await row(page, /linux/).getByRole('button', { name: 'Cancel the download of linux 1' }).click();
  await row(page, /linux/).getByText('Failed', { exact: true }).waitFor();
  web.release();
  await row(page, /linux/).getByRole('button', { name: 'Try again: linux 1' }).click();
  await row(page, /linux/).getByText('Ready', { exact: true }).waitFor();
  assert.equal((await service.image('linux')).status, 'OK');
  assert.equal((await service.fetched('/iso/linux-1.iso')).bytes.length, 8e6);
}

/** A failure is shown with its reason and retried. */
export async function failedAndTriedAgain(scene) {
  const service = await scene.serve();
  const web = await scene.web();
  const link = web.offer('linux-1.iso', await iso(scene.path('a.iso'), SMALL));
  web.status = 403;
  await service.register('linux', '1', { isoweb: link, wait: '0' });
  const page = await scene.look();
  await row(page, /linux/).getByText('Failed', { exact: true }).waitFor();
  await row(page, /linux/)
    .getByText(/answered 403/)
    .waitFor();
  await row(page, /linux/).getByRole('link').first().click();
  await page.getByRole('heading', { name: 'linux 1' }).waitFor();
  await page
    .getByText(/the web server answered 403/)
    .first()
    .waitFor();
  await page
    .getByRole('region', { name: 'Log' })
    .getByText(/answered 403/)
    .waitFor();
  web.status = 0;
  await page.getByRole('button', { name: 'Try again: linux 1' }).click();
  await page.getByText('Ready', { exact: true }).waitFor();
}

/** Filter and order are in the URL, so they survive a reload and can be shared. */
export async function filteredAndSorted(scene) {
  const service = await withImages(scene, [
    ['ubuntu', '24.04'],
    ['ubuntu', '9.10'],
    ['esxi', '8.0'],
  ]);
  await service.register('broken', '1', { isoweb: `${(await scene.web()).url}/none.iso`, wait: '0' });
  await until('it failed', async () => (await service.image('broken')).status.startsWith('error'));
  const page = await scene.look();
  await lists(page, ['broken 1', 'esxi 8.0', 'ubuntu 9.10', 'ubuntu 24.04']);
  await page.getByRole('button', { name: 'Image', exact: true }).click();
  await lists(page, ['ubuntu 24.04', 'ubuntu 9.10', 'esxi 8.0', 'broken 1']);
  assert.match(page.url(), /sort=-name/);
  assert.equal(
    await page.getByRole('columnheader', { name: 'Image' }).getAttribute('aria-sort'),
    'descending',
  );
  await page.getByRole('searchbox', { name: 'Filter images' }).fill('ubu');
  await lists(page, ['ubuntu 24.04', 'ubuntu 9.10']);
  await page.getByText('2 of 4 images', { exact: true }).first().waitFor();
  await page.reload();
  await lists(page, ['ubuntu 24.04', 'ubuntu 9.10']);
  assert.equal(await page.getByRole('searchbox', { name: 'Filter images' }).inputValue(), 'ubu');
  const other = await scene.look(`#${page.url().split('#')[1]}`);
  await lists(other, ['ubuntu 24.04', 'ubuntu 9.10']);
  await page.getByRole('searchbox', { name: 'Filter images' }).fill('nothing like that');
  await page.getByText('No image matches.').waitFor();
  await page.getByRole('button', { name: 'Show all images' }).click();
  const states = page.getByRole('group', { name: 'Which images are shown' });
  await states.getByRole('button', { name: /Failed 1/ }).click();
  await lists(page, ['broken 1']);
  assert.match(page.url(), /state=failed/);
  await states.getByRole('button', { name: /Ready 3/ }).click();
  await lists(page, ['ubuntu 24.04', 'ubuntu 9.10', 'esxi 8.0']);
  await page.getByRole('button', { name: 'Created', exact: true }).click();
  await lists(page, ['ubuntu 24.04', 'ubuntu 9.10', 'esxi 8.0']);
}
