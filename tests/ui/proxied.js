// A proxy in front of the service that gives answers of its own.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { iso, SYSTEMS } from './isos.js';
import { row } from './lists.js';
import { live } from './scene.js';
import { until } from './until.js';

/** nginx's default of `client_max_body_size`. */
const LIMIT = 2 ** 20;

const FROM = 'The proxy in front of the service (nginx/1.22.1) answered';

/** The page says whose answer it was. */
export async function answersOfAProxyAreNotOurs(scene) {
  const service = await scene.serve({}, (service) => iso(service.stored('a.iso'), SYSTEMS.photon('5.0')));
  await service.register('photon', '5.0', { isostore: 'a.iso' });
  const proxy = await scene.proxy();
  const page = await scene.look();

  proxy.refuse = ({ method }) => (method === 'DELETE' ? 403 : undefined);
  await row(page, /photon/).getByRole('button', { name: 'Delete photon 5.0' }).click();
  await page.getByRole('button', { name: 'Delete image' }).click();
  await page.getByText(`${FROM} 403: it does not allow this.`).waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('log').getByRole('button', { name: 'Close' }).click();

  // A page to sign in, in the place of an answer.
  await page.goto(`${scene.origin}/#/activity`);
  proxy.refuse = ({ url }) => (url.includes('/images') && url.includes('/tree') ? 200 : undefined);
  await page.goto(`${scene.origin}/#/images/${(await service.image('photon')).id}`);
  await page.getByRole('alert').getByText(`${FROM} 200: it sent a page of its own`).waitFor();

  for (const status of [502, 504]) {
    proxy.refuse = () => status;
    proxy.server.closeAllConnections();
    await page.getByRole('alert').getByText(`${FROM} ${status}: `).waitFor();
    await page.screenshot({ path: join(scene.pictures, `states-proxy-${status}-light-1280.png`) });
    proxy.refuse = () => undefined;
    await live(page);
  }
  // What the service itself answers is told as before.
  await service.ask('DELETE', '/images?name=photon&version=5.0');
  await page.goto(`${scene.origin}/#/images?add=local`);
  await page.getByRole('textbox', { name: 'Path on the server' }).fill('/nowhere/linux-1.iso');
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  await until('the field is marked', async () => (await page.locator('input[aria-invalid=true]').count()) === 1);
}

/** Changes are refused where the proxy hides the name that was called, until a setting tells it. */
export async function ownPageIsForeignBehindAProxy(scene) {
  const service = await scene.serve({}, (service) => iso(service.stored('a.iso'), SYSTEMS.photon('5.0')));
  const proxy = await scene.proxy();
  proxy.hidesName = true;
  const { origin } = new URL(scene.origin);
  const advice = new RegExp(
    `a page of ${origin}.*\`corsOrigins\`.*proxy_set_header Host \\$http_host.*\`trustedProxies\``,
  );
  const page = await scene.look('#/files', { size: { width: 390, height: 844 } });
  await page.getByLabel('Upload files…').setInputFiles({ name: 'b.iso', mimeType: '', buffer: Buffer.from('b') });
  await page.getByRole('region', { name: 'Uploads' }).getByText(advice).waitFor();
  await page.goto(`${scene.origin}/#/images?add=store`);
  const form = page.getByRole('dialog');
  await form.getByRole('combobox', { name: 'ISO' }).fill('a.iso');
  await form.getByRole('combobox', { name: 'Name' }).fill('photon');
  await form.getByLabel('Version').fill('5.0');
  const add = form.getByRole('button', { name: 'Add', exact: true });
  await add.click();
  const refusal = form.getByRole('alert').filter({ hasText: advice });
  await refusal.waitFor();
  const isSeen = await refusal.evaluate((element) => {
    const bottom = (one) => one.getBoundingClientRect().bottom;
    return bottom(element) <= bottom(element.closest('dialog'));
  });
  assert.ok(isSeen, 'the refusal is scrolled into the window');
  await page.screenshot({ path: join(scene.pictures, 'states-proxy-foreign-light-390.png') });

  await service.stop();
  service.config.corsOrigins = [origin];
  await service.start();
  await live(page);
  await add.click();
  await page.getByRole('heading', { name: 'photon 5.0' }).waitFor();
  await page.goto(`${scene.origin}/#/files`);
  await page.getByRole('button', { name: 'Try the upload of b.iso again' }).click();
  await page.getByText('It is in the store.').waitFor();
}

/** A file that the proxy takes only in pieces is sent in pieces. */
export async function uploadThroughASmallProxy(scene) {
  const service = await scene.serve();
  const proxy = await scene.proxy();
  const refused = [];
  proxy.refuse = ({ method, headers }) => {
    if (Number(headers['content-length'] ?? 0) <= LIMIT) return undefined;
    refused.push(method);
    return 413;
  };
  const page = await scene.look('#/files');
  const buffer = randomBytes(3.5 * LIMIT);
  await page.getByLabel('Upload files…').setInputFiles({ name: 'a.iso', mimeType: '', buffer });
  await page.getByText('It is in the store.').waitFor();
  const [file] = await service.get('/iso');
  assert.equal(file.sha256, createHash('sha256').update(buffer).digest('hex'));
  assert.deepEqual(refused, ['PATCH']);

  // A proxy that takes nothing at all is named.
  proxy.refuse = ({ method }) => (method === 'PATCH' ? 413 : undefined);
  await page.getByLabel('Upload files…').setInputFiles({ name: 'b.iso', mimeType: '', buffer });
  const other = page.getByRole('region', { name: 'Uploads' }).getByRole('listitem').filter({ hasText: 'b.iso' });
  await other.getByText(`${FROM} 413: it takes no body of this size. `).waitFor();
  assert.deepEqual(proxy.strays.filter((url) => url !== '/favicon.ico'), []);
}
