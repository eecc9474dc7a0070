// Jobs, disks, and machines with transfers.
import assert from 'node:assert/strict';
import { get } from 'node:http';
import { once } from 'node:events';
import { iso, SYSTEMS } from './isos.js';
import { until } from './until.js';

/** Jobs are watched while they run and read when they are over. */
export async function jobsWatchedAndRead(scene) {
  const service = await scene.serve();
  const web = await scene.web();
  const link = web.offer('linux-1.iso', await iso(scene.path('a.iso'), SYSTEMS.photon('5.0')), 8e6);
  web.limit = 4e6;
  const page = await scene.look('#/activity');
  const jobs = page.getByRole('region', { name: 'Jobs' });
  await jobs.getByText('No jobs.').waitFor();
  await service.register('linux', '1', { isoweb: link, wait: '0' });
  await service.register('none', '1', { isoweb: `${web.url}/none.iso`, wait: '0' });
  const coming = jobs.getByRole('listitem').filter({ hasText: 'linux-1.iso for linux 1' });
  const failed = jobs.getByRole('listitem').filter({ hasText: 'none.iso for none 1' });
  await coming.getByText('Running').waitFor();
  await until(
    'half of it has come',
    async () => (await coming.getByRole('progressbar').getAttribute('aria-valuenow')) === '50',
  );
  await coming.getByText(/^4\.0\d MB of 8\.00 MB/).waitFor();
  await failed.getByText('the web server answered 404 Not Found').waitFor();
  const log = failed.getByRole('button', { name: /^Log: / });
  assert.equal(await log.getAttribute('aria-expanded'), 'false');
  await log.click();
  await failed.getByText('link 1 is set aside: the web server answered 404 Not Found').waitFor();

  const groups = jobs.getByRole('group', { name: 'Which jobs are shown' });
  await groups.getByRole('button', { name: /^Failed 1$/ }).click();
  await coming.waitFor({ state: 'detached' });
  await page.reload();
  await failed.waitFor();
  assert.equal(await coming.count(), 0);
  await groups.getByRole('button', { name: /^All/ }).click();

  await coming.getByRole('button', { name: /^Cancel: / }).click();
  await coming.getByText('Cancelled').waitFor();
  web.release();
  await coming.getByRole('button', { name: /^Try again: / }).click();
  await coming.getByText('Done', { exact: true }).waitFor();
  await coming.getByRole('link', { name: 'linux-1.iso for linux 1' }).click();
  await page.getByRole('heading', { name: 'linux 1' }).waitFor();
  await page.goBack();
  await failed.getByRole('button', { name: /^Take off the list: / }).click();
  await failed.waitFor({ state: 'detached' });
}

/** Machines are shown while they fetch and afterwards; and so is the disk's content. */
export async function machinesAndDisks(scene) {
  const service = await scene.serve({ transferRate: 1e6 }, (service) =>
    iso(service.stored('a.iso'), { 'live/root.squashfs': Buffer.alloc(30e6, 1), small: 'small' }),
  );
  await service.register('linux', '1', { isostore: 'a.iso' });
  const page = await scene.look('#/activity');
  const machines = page.getByRole('region', { name: 'Machines fetching files' });
  await machines.getByText('No machine fetches anything right now.').waitFor();
  const asked = get(`${service.southbound}/linux/1/live/root.squashfs`, { localAddress: '127.0.20.7' });
  asked.on('error', () => {});
  const [answer] = await once(asked, 'response');
  answer.on('error', () => {});
  answer.resume();
  const running = machines
    .getByRole('table', { name: 'Machines fetching files' })
    .getByRole('row', { name: /127\.0\.20\.7/ });
  await running.getByText('live/root.squashfs').waitFor();
  await running.getByRole('link', { name: 'linux 1' }).waitFor();
  await running.getByText(/ of 30\.0 MB/).waitFor();
  await running.getByText(/\d [KM]?B\/s$/).waitFor();
  await machines.getByText(/^1 machine · /).waitFor();
  asked.destroy();
  const lately = machines.getByRole('table', { name: 'Fetched lately' });
  await lately
    .getByRole('row', { name: /127\.0\.20\.7/ })
    .getByText('Broken off')
    .waitFor();
  await service.fetched('/linux/1/small');
  await lately.getByRole('row', { name: /small/ }).getByText('Done').waitFor();
  await machines.getByRole('searchbox', { name: 'Filter transfers' }).fill('20.7');
  await lately.getByRole('row', { name: /small/ }).waitFor({ state: 'detached' });
  await page.reload();
  await lately.getByRole('row', { name: /127\.0\.20\.7/ }).waitFor();

  const disks = page.getByRole('region', { name: 'Storage' });
  await disks
    .getByText(/ of .*B can be taken in/)
    .first()
    .waitFor();
  await disks.getByText('1 file').first().waitFor();
}
