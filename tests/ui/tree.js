// The files inside an image.
import assert from 'node:assert/strict';
import { iso, SYSTEMS } from './isos.js';
import { until } from './until.js';

const entries = (page) => page.getByRole('region', { name: 'Files' }).getByRole('table', { name: 'Files' });
const names = (page) => entries(page).locator('a[data-row]').allInnerTexts();
const holds = (page, wanted) =>
  until(`these are there: ${wanted}`, async () => assert.deepEqual(await names(page), wanted) ?? true);

/** Folders are opened and searched, and their files are one click away. */
export async function treeBrowsedAndSearched(scene) {
  const service = await scene.serve({}, (service) =>
    iso(service.stored('a.iso'), {
      ...SYSTEMS.debian('12.5.0'),
      'pool/main/b/bash/it is 100% #1?.deb': 'odd',
      'empty/': '',
    }),
  );
  const image = await service.register('debian', '12.5', { isostore: 'a.iso' });
  const page = await scene.look(`#/images/${image.id}`);
  await holds(page, ['.disk', 'dists', 'empty', 'install.amd', 'pool', 'README.html']);
  await page.getByText('6 entries').waitFor();
  for (const folder of ['pool', 'main', 'b', 'bash'])
    await entries(page).getByRole('link', { name: folder, exact: true }).click();
  await holds(page, ['bash.deb', 'it is 100% #1?.deb']);
  const row = entries(page).getByRole('row', { name: /bash\.deb/ });
  await row.getByText('7 B').waitFor();

  // A link leads to the bytes that southbound serves there.
  for (const [name, content] of [
    ['bash.deb', 'package'],
    ['it is 100% #1?.deb', 'odd'],
  ]) {
    const url = await entries(page).getByRole('link', { name }).getAttribute('href');
    assert.ok(url.startsWith(`${service.southbound}/debian/12.5/pool/main/b/bash/`), url);
    assert.equal((await service.fetched(new URL(url).pathname)).bytes.toString(), content);
  }

  // A click on a file opens it, or downloads it where browsers show no such files.
  scene.through(new URL(service.southbound).port, '127.0.0.1');
  const asked = page.context().waitForEvent('response', (answer) => answer.url().endsWith('/bash/bash.deb'));
  await entries(page).getByRole('link', { name: 'bash.deb' }).click();
  assert.equal((await asked).status(), 200);
  await page.goto(`${scene.origin}/#/images/${image.id}`);
  const shown = page.waitForEvent('popup');
  await entries(page).getByRole('link', { name: 'README.html' }).click();
  await (await shown).waitForURL(`${service.southbound}/debian/12.5/README.html`);
  await page.goto(`${scene.origin}/#/images/${image.id}?path=pool%2Fmain%2Fb%2Fbash%2F`);
  await holds(page, ['bash.deb', 'it is 100% #1?.deb']);

  // The path is in the URL, and each folder above it is a link.
  await page.reload();
  await holds(page, ['bash.deb', 'it is 100% #1?.deb']);
  const way = page.getByRole('navigation', { name: 'Files' });
  await way.getByRole('link', { name: 'main' }).click();
  await holds(page, ['b']);
  await page.goBack();
  await holds(page, ['bash.deb', 'it is 100% #1?.deb']);
  await way.getByRole('link', { name: 'Top folder' }).click();
  await entries(page).getByRole('link', { name: 'empty', exact: true }).click();
  await page.getByText('This folder is empty.').waitFor();
  await way.getByRole('link', { name: 'Top folder' }).click();
  // Each folder has a field of its own to search below it.
  await holds(page, ['.disk', 'dists', 'empty', 'install.amd', 'pool', 'README.html']);

  const search = page.getByRole('searchbox', { name: 'Search below this folder' });
  await search.fill('RELEASE');
  await until('it is found', async () => (await names(page)).join() === 'dists/bookworm/Release');
  assert.match(page.url(), /search=RELEASE/);
  await page.reload();
  await until('it is found again', async () => (await names(page)).join() === 'dists/bookworm/Release');
  await search.fill('no such thing');
  await page.getByText('Nothing here has that in its name.').waitFor();
  await search.fill('');
  await holds(page, ['.disk', 'dists', 'empty', 'install.amd', 'pool', 'README.html']);

  await page.goto(`${scene.origin}/#/images/${image.id}?path=gone%2F`);
  await page.getByRole('alert').waitFor();
}

/** Oddities of an ISO are shown with it. */
export async function toldWhatTheImageIs(scene) {
  const service = await scene.serve({}, (service) =>
    iso(service.stored('a.iso'), SYSTEMS.ubuntu('24.04.2'), { label: 'Ubuntu-Server 24.04' }),
  );
  const image = await service.register('noble', '1', { isostore: 'a.iso' });
  const page = await scene.look();
  await page
    .getByRole('row', { name: /noble/ })
    .getByText(/^Ubuntu-Server 24\.04\.2$/)
    .waitFor();
  await page.goto(`${scene.origin}/#/images/${image.id}`);
  const details = page.getByRole('region', { name: 'Details' });
  await details.getByText('Ubuntu-Server 24.04.2 · x86_64').waitFor();
  await details.getByText('Rock Ridge').waitFor();
  const boot = page.getByRole('region', { name: 'Install from it' });
  // What most machines need comes first: a script with the kernel that is in the image.
  const payload = () => boot.locator('pre').innerText();
  const tree = `${service.southbound}/noble/1`;
  await boot.getByText('#!ipxe').waitFor();
  assert.equal(
    await payload(),
    `#!ipxe\nkernel ${tree}/casper/vmlinuz initrd=initrd ip=dhcp url=${service.southbound}/iso/a.iso\ninitrd ${tree}/casper/initrd\nboot`,
  );
  for (const [, url] of (await payload()).matchAll(/^(?:kernel|initrd) (\S+)/gm))
    assert.equal((await service.fetched(new URL(url).pathname)).status, 200, url);
  await boot.getByRole('button', { name: 'Whole disc' }).click();
  const [, url] = (await payload()).match(/^#!ipxe\nsanboot --no-describe (.*)$/);
  assert.equal((await service.fetched(new URL(url).pathname)).status, 200);

  await boot.getByRole('button', { name: 'RackHD' }).click();
  const workflow = boot.getByRole('combobox', { name: 'Workflow' });
  assert.equal(await workflow.inputValue(), 'Graph.InstallUbuntu');
  assert.deepEqual(JSON.parse(await payload()), {
    name: 'Graph.InstallUbuntu',
    options: { defaults: { version: '1', repo: `${service.southbound}/noble/1` } },
  });
  await workflow.selectOption('Graph.InstallDebian');
  assert.equal(JSON.parse(await payload()).name, 'Graph.InstallDebian');
  // The way that was chosen is remembered.
  await page.reload();
  await workflow.waitFor();
}
