// The addresses of the page, and the policy that confines it.
import assert from 'node:assert/strict';
import { iso, SYSTEMS } from './isos.js';
import { live } from './scene.js';
import { until } from './until.js';

/** Old links lead to the page, browsers get it at the root, and other clients get what they always got. */
export async function foundWhereItWas(scene) {
  const service = await scene.serve();
  const origin = `http://127.0.0.1:${service.port}`;
  const ask = (path, headers) => fetch(origin + path, { headers, redirect: 'manual' });

  const page = await scene.look('gui/');
  await page.getByRole('heading', { name: 'No images yet' }).waitFor();
  await page.goto(`${scene.origin}/gui`);
  await live(page);
  assert.equal(new URL(page.url()).pathname, '/gui/');
  await page.goto(`${scene.origin}/`);
  await live(page);
  assert.match((await ask('/', { Accept: '*/*' })).headers.get('content-type'), /^application\/json/);
  assert.match(
    (await ask('/', { Accept: 'application/json' })).headers.get('content-type'),
    /^application\/json/,
  );

  const answer = await ask('/', { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' });
  assert.match(answer.headers.get('content-type'), /^text\/html/);
  assert.match(answer.headers.get('vary'), /accept/i);
  const policy = answer.headers.get('content-security-policy');
  assert.match(policy, /default-src 'none'/);
  assert.match(policy, /frame-ancestors 'none'/);
  assert.doesNotMatch(policy, /unsafe|\*/);
  assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
  assert.equal(answer.headers.get('referrer-policy'), 'no-referrer');
  const [style] = (await answer.text()).match(/gui\/[0-9a-f]+\/style\.css/);
  const asset = await ask(`/${style}`);
  assert.equal(asset.headers.get('cache-control'), 'public, max-age=31536000, immutable');
  assert.equal(asset.headers.get('x-content-type-options'), 'nosniff');
  assert.equal((await ask(`/${style.replace(/[0-9a-f]{8}/, '00000000')}`)).status, 404);

  // Violations of the policy fail the test, so this one must be the only kind.
  await page.evaluate(() => {
    const script = document.createElement('script');
    script.textContent = 'window.injected = true';
    document.body.append(script);
  });
  assert.equal(await page.evaluate(() => window.injected), undefined);
  await until('the violation is told', async () =>
    scene.complaints.some((complaint) => complaint.includes('CSP: script-src')),
  );
  scene.complaints = scene.complaints.filter(
    (complaint) => !/CSP: script-src|Content Security Policy/.test(complaint),
  );
}

/** The service serves the API's documentation. */
export async function docsExplainTheApi(scene) {
  const service = await scene.serve();
  const page = await (await scene.person()).newPage();
  await page.goto(`${scene.origin}/docs`);
  await page.getByRole('heading', { level: 1 }).waitFor();
  const { paths } = await service.get('/openapi.json');
  for (const path of Object.keys(paths))
    await page.getByText(path, { exact: true }).first().waitFor({ state: 'attached' });
  assert.match(await page.title(), /API/);
  await page.getByRole('link', { name: 'image-service' }).first().click();
  await live(page);
}

/** Both APIs on one port: southbound has the root, the page is at its old address. */
export async function bothDoorsOnOnePort(scene) {
  const service = await scene.serve(
    { httpEndpoints: [{ address: '127.0.0.1', port: 0, routers: ['northbound', 'southbound'] }] },
    (service) => iso(service.stored('a.iso'), SYSTEMS.photon('5.0')),
  );
  const image = await service.register('photon', '5.0', { isostore: 'a.iso' });
  const page = await scene.look(`gui/#/images/${image.id}`);
  await page.getByRole('heading', { name: 'photon 5.0' }).waitFor();
  const table = page.getByRole('table', { name: 'Files' });
  const link = await table.getByRole('link', { name: 'isolinux' }).getAttribute('href');
  assert.match(link, /path=isolinux/);
  await page.getByRole('link', { name: `http://127.0.0.1:${service.port}/photon/5.0` }).waitFor();
  await page.getByRole('navigation', { name: 'Views' }).getByRole('link', { name: 'Images' }).click();
  await page
    .getByRole('row', { name: /photon/ })
    .getByRole('button', { name: 'Delete photon 5.0' })
    .click();
  await page.getByRole('button', { name: 'Delete image' }).click();
  await page.getByRole('heading', { name: 'No images yet' }).waitFor();
}

/** A proxy serves the page below a path of another server. */
export async function behindAProxy(scene) {
  const service = await scene.serve({}, (service) => iso(service.stored('a.iso'), SYSTEMS.photon('5.0')));
  const proxy = await scene.proxy();
  for (const start of ['', 'gui/']) {
    const page = await scene.look(`${start}#/images?add=store`);
    const form = page.getByRole('dialog');
    await form.getByRole('combobox', { name: 'ISO' }).fill('a.iso');
    await form.getByRole('combobox', { name: 'Name' }).fill(`photon${start.length}`);
    await form.getByLabel('Version').fill('5.0');
    await form.getByRole('button', { name: 'Add', exact: true }).click();
    await page.getByRole('heading', { name: `photon${start.length} 5.0` }).waitFor();
    await page.getByRole('table', { name: 'Files' }).getByRole('link', { name: 'isolinux' }).click();
    await page.getByRole('table', { name: 'Files' }).getByRole('link', { name: 'vmlinuz' }).waitFor();
    await page.getByRole('link', { name: 'API' }).click();
    await page.getByRole('heading', { level: 1 }).waitFor();
  }
  const page = await scene.look('#/files');
  await page
    .getByLabel('Upload files…')
    .setInputFiles({ name: 'kernel', mimeType: '', buffer: Buffer.from('kernel') });
  await until('it is in the store', async () => (await service.get('/iso?name=kernel')).length === 1);
  assert.deepEqual(
    proxy.strays.filter((url) => url !== '/favicon.ico'),
    [],
  );
}

/** The page warns of URLs that lead each machine to itself, and only of those. */
export async function urlsThatMachinesCannotUse(scene) {
  const service = await scene.serve({}, (service) => iso(service.stored('a.iso'), SYSTEMS.photon('5.0')));
  const { id } = await service.register('photon', '5.0', { isostore: 'a.iso' });
  const page = await scene.look(`#/images/${id}`);
  for (const [host, isOwn] of [
    ['127.0.0.1', true],
    ['localhost', true],
    ['[::1]', true],
    ['0.0.0.0', true],
    ['boot.example', false],
    ['192.0.2.127', false],
    ['[2001:db8::1]', false],
  ]) {
    await service.stop();
    service.config.southboundUrl = `http://${host}:9090/`;
    await service.start();
    await page.getByRole('link', { name: `http://${host}:9090/photon/5.0` }).waitFor();
    await live(page);
    const caution = page.getByText(`: ${host} means each machine itself. Set southboundUrl`);
    assert.equal(await caution.count(), isOwn ? 1 : 0, host);
  }
}
