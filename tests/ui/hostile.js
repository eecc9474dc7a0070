// Hostile names are shown literally.
import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import { iso } from './isos.js';
import { until } from './until.js';

const NAMES = [
  '<img src=x onerror=alert(1)>',
  '"onmouseover="alert(1)',
  '<svg onload=alert(1)>',
  '${alert(1)}{{7*7}}',
  'javascript:alert(1)',
  '\u202egnp.exe',
  'أسطوانة التثبيت.img',
  '🐧💿 penguin',
  'a'.repeat(251) + '.bin',
  'é'.repeat(120),
  '%3Cscript%3E',
  '&lt;b&gt; &amp;',
];

// High enough for all rows to be in the page.
const WINDOWS = [
  { width: 390, height: 3000 },
  { width: 1280, height: 3000 },
];

/** Nothing is wider than the window. */
const fits = (page) => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);

/** Names inside an ISO. */
export async function hostileNamesInAnImage(scene) {
  const files = Object.fromEntries(NAMES.map((name) => [`files/${name}`, name]));
  const folders = Object.fromEntries(NAMES.map((name) => [`folders/${name}/inside`, name]));
  const service = await scene.serve({}, (service) =>
    iso(service.stored('a.iso'), { ...files, ...folders }, { label: '<B>&"' }),
  );
  const image = await service.register('odd', '1', { isostore: 'a.iso' });
  for (const size of WINDOWS) {
    const page = await scene.look(`#/images/${image.id}?path=files%2F`, { size });
    const table = page.getByRole('table', { name: 'Files' });
    const shown = () =>
      table.locator('a[data-row]').evaluateAll((links) => links.map((link) => link.textContent));
    await until(
      'all names are shown as they are',
      async () => assert.deepEqual((await shown()).sort(), [...NAMES].sort()) ?? true,
    );
    assert.equal(
      await page.locator('main img, main svg[onload], main script').count(),
      0,
      'no name became an element',
    );
    assert.ok(await fits(page), 'it fits the window');
    for (const name of NAMES) {
      const url = await table.locator('a[data-row]').filter({ hasText: name }).first().getAttribute('href');
      const { bytes } = await service.fetched(url.slice(service.southbound.length));
      assert.equal(bytes.toString(), name, url);
    }
    for (const name of NAMES) {
      await page.goto(`${scene.origin}/#/images/${image.id}?path=folders%2F`);
      await table.locator('a[data-row]').filter({ hasText: name }).first().click();
      await table.getByRole('link', { name: 'inside' }).waitFor();
      const here = page.getByRole('navigation', { name: 'Files' }).getByRole('link').last();
      assert.equal(await here.textContent(), name);
      assert.ok(await fits(page), 'it fits the window');
    }
    const search = page.getByRole('searchbox', { name: 'Search below this folder' });
    await page.getByRole('navigation', { name: 'Files' }).getByRole('link', { name: 'Top folder' }).click();
    await search.fill('onerror');
    await until('both are found', async () => (await shown()).length === 2);
    assert.ok(await fits(page), 'it fits the window');
  }
}

/** Names of files in a store's folder, and of links. */
export async function hostileNamesInAStore(scene) {
  const small = await iso(scene.path('small.iso'), { a: 'a' });
  const service = await scene.serve({}, (service) => {
    for (const name of NAMES) copyFileSync(small, service.stored(name));
  });
  await until('all are noticed', async () => (await service.get('/iso')).length === NAMES.length);
  const registered = [];
  for (const [at, name] of NAMES.entries()) {
    // The service refuses some with a message.
    const image = await service.register(`odd-${at}`, '1', { isostore: name }).catch(() => null);
    if (image) registered.push([image, name]);
  }
  assert.ok(registered.length > 0);
  const web = await scene.web();
  await service.register('link', '1', {
    isoweb: `${web.url}/${encodeURIComponent('<img src=x onerror=alert(1)>.iso')}?q=<img/src=x/onerror=alert(1)>`,
    wait: '0',
  });
  for (const size of WINDOWS) {
    const page = await scene.look('', { size });
    await page.getByRole('row', { name: /odd-/ }).first().waitFor();
    assert.ok(await fits(page), 'it fits the window');
    await page.getByRole('link', { name: 'Files' }).click();
    for (const name of NAMES)
      await page.getByRole('main').getByText(name, { exact: true }).first().waitFor({ state: 'attached' });
    assert.equal(
      await page.locator('main img, main svg[onload], main script').count(),
      0,
      'no name became an element',
    );
    assert.ok(await fits(page), 'it fits the window');
    for (const [image, name] of registered) {
      await page.goto(`${scene.origin}/#/images/${image.id}`);
      await page.getByRole('region', { name: 'Details' }).getByText(name, { exact: true }).waitFor();
      assert.ok(await fits(page), 'it fits the window');
    }
    await page.goto(`${scene.origin}/#/images/${(await service.image('link')).id}`);
    await page.getByRole('region', { name: 'Details' }).getByText('%3Cimg%20src%3Dx').first().waitFor();
    assert.ok(await fits(page), 'it fits the window');
    await page.goto(`${scene.origin}/#/activity`);
    await page.getByRole('heading', { name: 'Activity', level: 1 }).waitFor();
    assert.ok(await fits(page), 'it fits the window');
  }
  // Names in input fields and URLs.
  const page = await scene.look(
    `#/images?q=${encodeURIComponent(NAMES[0])}&sort=${encodeURIComponent(NAMES[1])}&state=${encodeURIComponent(NAMES[2])}`,
  );
  await page.getByText('No image matches.').waitFor();
  await page.goto(`${scene.origin}/#/${encodeURIComponent(NAMES[0])}/%ff/%`);
  await page.getByRole('heading', { name: 'Images' }).waitFor();
}
