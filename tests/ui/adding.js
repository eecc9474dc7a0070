// Images are added from every kind of source.
import assert from 'node:assert/strict';
import { iso, SYSTEMS } from './isos.js';
import { until } from './until.js';

/** Opens the dialog and returns it. */
async function dialog(page) {
  await page.getByRole('link', { name: 'Add image' }).first().click();
  const opened = page.getByRole('dialog', { name: 'Add an image' });
  await opened.waitFor();
  return opened;
}

/** The first image of an empty service comes from the web and is watched meanwhile. */
export async function addedFromTheWeb(scene) {
  const service = await scene.serve();
  const web = await scene.web();
  const link = web.offer(
    'ubuntu-24.04.2-live-server-amd64.iso',
    await iso(scene.path('a.iso'), SYSTEMS.ubuntu('24.04.2'), { size: 8e6 }),
  );
  web.limit = 2e6;
  const page = await scene.look();
  await page.getByRole('heading', { name: 'No images yet' }).waitFor();
  const form = await dialog(page);
  await form.getByRole('textbox', { name: 'Link', exact: true }).fill(link);
  assert.equal(
    await form.getByRole('combobox', { name: 'Name' }).inputValue(),
    'ubuntu',
    'the name that the file suggests',
  );
  assert.equal(
    await form.getByLabel('Version').inputValue(),
    '24.04.2',
    'the version that the file suggests',
  );
  await form.getByText(`${service.southbound}/ubuntu/24.04.2/`).waitFor();
  await form.getByRole('button', { name: 'Download and add' }).click();

  await page.getByRole('heading', { name: 'ubuntu 24.04.2' }).waitFor();
  const bar = page.getByRole('progressbar', { name: 'ubuntu 24.04.2' });
  await until('a fourth of it has come', async () => (await bar.getAttribute('aria-valuenow')) === '25');
  await page.getByText(/2\.0\d MB of 8\.00 MB/).waitFor();
  await page.getByText('The files can be browsed as soon as the image is ready.').waitFor();
  assert.equal((await service.fetched('/ubuntu/24.04.2/casper/vmlinuz')).status, 404);
  web.release();
  await page.getByText('Ready', { exact: true }).waitFor();
  await bar.waitFor({ state: 'detached' });
  // Only the last of what was said about it stays.
  const said = page.getByRole('log', { name: 'Messages' });
  await said.getByText('ubuntu 24.04.2 is ready.').waitFor();
  assert.equal(await said.getByText(/ubuntu/).count(), 1);
  await page.getByRole('link', { name: `${service.southbound}/ubuntu/24.04.2` }).waitFor();
  assert.equal((await service.fetched('/ubuntu/24.04.2/casper/vmlinuz')).bytes.toString(), 'kernel');

  await page.getByRole('link', { name: 'All images' }).click();
  const row = page.getByRole('row', { name: /ubuntu 24\.04\.2/ });
  await row.getByText('Ready', { exact: true }).waitFor();
  await row.getByText('8.00 MB').waitFor();
}

export async function addedFromTheStore(scene) {
  const service = await scene.serve({}, (service) =>
    iso(service.stored('rocky-9.4-x86_64-minimal.iso'), SYSTEMS.family('Rocky Linux', '9.4')),
  );
  const page = await scene.look();
  const form = await dialog(page);
  await form.getByRole('radio', { name: 'In the store' }).check();
  await form.getByRole('combobox', { name: 'ISO' }).fill('rocky-9.4-x86_64-minimal.iso');
  await form.getByRole('button', { name: 'Add', exact: true }).click();
  await page.getByRole('heading', { name: 'rocky 9.4' }).waitFor();
  await page.getByText('a file of the store').waitFor();
  const { status, source } = await service.image('rocky');
  assert.deepEqual([status, source], ['OK', 'store']);
}

export async function addedFromThePath(scene) {
  const service = await scene.serve();
  const path = await iso(scene.path('photon-5.0.iso'), SYSTEMS.photon('5.0'));
  const page = await scene.look('#/images?add=local');
  const form = page.getByRole('dialog');
  await form.getByRole('textbox', { name: 'Path on the server' }).fill(path);
  await form.getByRole('button', { name: 'Add', exact: true }).click();
  await page.getByRole('heading', { name: 'photon 5.0' }).waitFor();
  await page.getByText('a file on the server, served where it lies').waitFor();
  assert.equal((await service.image('photon')).source, 'local');
}

/** Invalid input is reported while it is typed, beside the field, and nothing is sent. */
export async function validatedWhileTyping(scene) {
  const service = await scene.serve({}, (service) => iso(service.stored('a.iso'), SYSTEMS.photon('5.0')));
  await service.register('taken', '1', { isostore: 'a.iso' });
  const page = await scene.look('#/images?add=web');
  const form = page.getByRole('dialog');
  const name = form.getByRole('combobox', { name: 'Name' });
  const version = form.getByLabel('Version');
  /** The texts that describe a field. */
  const said = (field) =>
    field.evaluate((input) =>
      input
        .getAttribute('aria-describedby')
        .split(' ')
        .map((id) => document.getElementById(id)?.textContent ?? '')
        .join(' '),
    );
  const wrong = (field, words) =>
    until(
      `a field says ${words}`,
      async () =>
        (await said(field)).includes(words) && (await field.getAttribute('aria-invalid')) === 'true',
    );
  const right = (field) =>
    until('a field has nothing to say', async () => (await field.getAttribute('aria-invalid')) === null);

  const link = form.getByRole('textbox', { name: 'Link', exact: true });
  await link.pressSequentially('example.test');
  await wrong(link, 'A link begins with http://, https:// or ftp://.');
  await link.fill('http://127.0.0.1:1/linux-7.iso');
  await right(link);
  for (const [value, words] of [
    ['a/b', 'This must not contain /'],
    ['-x', 'This must not start with “-”'],
    ['..', 'This must not be “.” or “..”.'],
    ['iso', '“iso” is the name of a folder of the service itself.'],
    ['é'.repeat(128), 'This is 256 bytes long; at most 255 are allowed.'],
    ['', 'A name is needed.'],
    ['a<b', 'This must not contain <'],
  ]) {
    await name.fill(value);
    await wrong(name, words);
  }
  await name.fill('taken');
  await right(name);
  await version.fill('1');
  await wrong(version, 'There is an image taken 1 already.');
  await version.fill('2');
  await right(version);
  await form.getByText('Verification and more').click();
  const digest = form.getByLabel('SHA-256 that the ISO must have');
  await digest.fill('abc');
  await wrong(digest, 'A SHA-256 has 64 hexadecimal digits.');
  await form.getByRole('button', { name: 'Download and add' }).click();
  await until('the focus is where something is wrong', () =>
    digest.evaluate((input) => input === document.activeElement),
  );
  await page.keyboard.press('Escape');
  await form.waitFor({ state: 'detached' });
  assert.deepEqual(
    (await service.get('/images')).map((image) => image.name),
    ['taken'],
  );
}

/** Faults that only the service can find are shown at their field. */
export async function refusedAtTheField(scene) {
  const service = await scene.serve();
  const path = await iso(scene.path('linux-1.iso'), SYSTEMS.photon('5.0'));
  const page = await scene.look('#/images?add=local');
  const form = page.getByRole('dialog');
  const field = form.getByRole('textbox', { name: 'Path on the server' });
  await field.fill('/nowhere/linux-1.iso');
  await form.getByRole('button', { name: 'Add', exact: true }).click();
  await until('the path is marked', async () => (await field.getAttribute('aria-invalid')) === 'true');
  const words = await field.evaluate(
    (input) => document.getElementById(input.getAttribute('aria-describedby').split(' ')[1]).textContent,
  );
  assert.match(words, /\S/);
  assert.deepEqual(await service.get('/images'), []);
  // The dialog stays open, so that the input can be corrected.
  await field.fill(path);
  await until('the path is not marked', async () => (await field.getAttribute('aria-invalid')) === null);
  await form.getByRole('button', { name: 'Add', exact: true }).click();
  await page.getByRole('heading', { name: 'linux 1' }).waitFor();
}
