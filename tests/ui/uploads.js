// Uploads over a slow network that breaks.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { iso, SYSTEMS } from './isos.js';
import { until } from './until.js';

const MB = 1e6;
// More bytes than the buffers of the network, which browsers count as sent.
const SIZE = 48 * MB;
// The bytes that a connection carries before it is held, so that the scenario can act meanwhile.
const HELD = 8 * MB;

const digest = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** A file to upload. */
function file(scene, name, size = SIZE) {
  const bytes = randomBytes(size);
  const path = scene.path(name);
  writeFileSync(path, bytes);
  return { name, path, sha256: digest(bytes) };
}

/** The store has the file, complete. */
async function stored(service, { name, sha256 }, store = 'iso') {
  const found = await until(`${name} is in the store`, async () =>
    (await service.get(`/${store}?name=${name}`)).find(({ status }) => status === 'OK'),
  );
  assert.equal(found.sha256, sha256, name);
}

/** Only the files are left of the uploads. */
const nothingLeft = async (service) => assert.deepEqual(await service.get('/uploads'), []);

const view = (page) => page.getByRole('region', { name: 'Uploads' });
const item = (page, name) => view(page).getByRole('listitem').filter({ hasText: name });
const choose = (page, path) => page.getByLabel('Upload files…').setInputFiles(path);
/** Waits for this percentage. */
const reached = (page, name, percent) =>
  until(
    `${percent} % of ${name} have come`,
    async () =>
      Number(
        await page
          .getByRole('progressbar', { name: `Upload of ${name}` })
          .getAttribute('aria-valuenow', { timeout: 500 }),
      ) >= percent,
  );

/** The view of files over a network that holds uploads, and the number of uploads started there. */
async function slowly(scene, options) {
  const service = await scene.serve();
  const network = await scene.network();
  network.limit = HELD;
  const page = await scene.look('#/files', options);
  const begun = [];
  page.context().on('request', (request) => request.method() === 'POST' && begun.push(request.url()));
  return { service, network, page, begun, person: page.context() };
}

/** An image is made of a file on this computer. */
export async function addedFromAnUpload(scene) {
  const { service, network, page } = await slowly(scene);
  const path = await iso(scene.path('debian-12.5.0-amd64-DVD-1.iso'), {
    ...SYSTEMS.debian('12.5.0'),
    big: randomBytes(SIZE),
  });
  await page.keyboard.press('n');
  const form = page.getByRole('dialog', { name: 'Add an image' });
  await form.getByRole('radio', { name: 'On this computer' }).check();
  await form.getByLabel('Choose a file…').setInputFiles(path);
  await form.getByText('debian-12.5.0-amd64-DVD-1.iso').first().waitFor();
  assert.equal(await form.getByRole('combobox', { name: 'Name' }).inputValue(), 'debian');
  await form.getByRole('button', { name: 'Upload and add' }).click();
  await form.waitFor({ state: 'detached' });
  const row = item(page, 'debian-12.5.0-amd64-DVD-1.iso');
  await row.getByText('becomes the image debian 12.5.0').waitFor();
  await reached(page, 'debian-12.5.0-amd64-DVD-1.iso', 15);
  await row.getByText(/ of 48\.\d MB · .*\/s · .* left/).waitFor();
  assert.deepEqual(await service.get('/images'), []);
  network.limit = Infinity;
  await row.getByText('The image debian 12.5.0 was added.').waitFor();
  assert.equal(await page.getByRole('log').getByText(/is being uploaded/).count(), 0);
  await row.getByRole('link', { name: 'Show the image' }).click();
  await page.getByRole('heading', { name: 'debian 12.5.0' }).waitFor();
  await page.getByText('Ready', { exact: true }).waitFor();
  assert.equal((await service.fetched('/debian/12.5.0/install.amd/vmlinuz')).bytes.toString(), 'kernel');
}

/** A reload in the middle: without permission to keep the file it is chosen again, and resumes. */
export async function uploadGoesOnAfterAReload(scene) {
  const { service, network, page, begun } = await slowly(scene);
  const one = file(scene, 'linux.iso');
  await choose(page, one.path);
  await reached(page, one.name, 15);
  await page.reload();
  await item(page, one.name)
    .getByText(/^Choose the file again to go on: .* of 48\.0 MB has come\.$/)
    .waitFor();
  const before = network.carried;
  // Another file is not taken for it.
  await page.getByLabel(`Choose the file… ${one.name}`).setInputFiles(file(scene, 'other.iso', 1000).path);
  await item(page, one.name)
    .getByText('“other.iso” is another file: it has 1,000 bytes, and the upload 48,000,000 bytes.')
    .waitFor();
  network.limit = Infinity;
  await page.getByLabel(`Choose the file… ${one.name}`).setInputFiles(one.path);
  await item(page, one.name).getByText('It is in the store.').waitFor();
  await stored(service, one);
  await nothingLeft(service);
  assert.equal(begun.length, 1, 'it began anew');
  assert.ok(network.carried - before < SIZE, `${network.carried - before} bytes were sent afterwards`);
}

/** The network breaks, and later the service is killed; the upload recovers by itself. */
export async function uploadSurvivesCutsAndAKill(scene) {
  const { service, network, page, begun } = await slowly(scene);
  const one = file(scene, 'linux.iso');
  await choose(page, one.path);
  await reached(page, one.name, 15);
  network.break();
  await item(page, one.name)
    .getByText(/Tries again in \d+ s\.|Trying again…/)
    .waitFor();
  network.mend();
  await reached(page, one.name, 33);
  await service.stop('SIGKILL');
  await item(page, one.name)
    .getByText(/Tries again in \d+ s\.|Trying again…/)
    .waitFor();
  network.limit = Infinity;
  await service.start();
  await item(page, one.name).getByText('It is in the store.').waitFor();
  await stored(service, one);
  await nothingLeft(service);
  assert.equal(begun.length, 1, 'it began anew');
}

/** An upload is paused, resumed, and discarded after a confirmation. */
export async function uploadPausedAndCancelled(scene) {
  const { service, network, page } = await slowly(scene);
  const one = file(scene, 'linux.iso');
  await choose(page, one.path);
  await reached(page, one.name, 15);
  await page.getByRole('button', { name: `Pause the upload of ${one.name}` }).click();
  await item(page, one.name)
    .getByText(/^Paused · .* of 48\.0 MB$/)
    .waitFor();
  assert.deepEqual(await service.get('/iso'), []);
  network.limit = Infinity;
  await page.getByRole('button', { name: `Go on with the upload of ${one.name}` }).click();
  await item(page, one.name).getByText('It is in the store.').waitFor();
  await stored(service, one);
  await page.getByRole('button', { name: 'Clear finished' }).click();
  await view(page).waitFor({ state: 'detached' });

  const other = file(scene, 'other.iso');
  network.limit = HELD;
  await choose(page, other.path);
  await reached(page, other.name, 15);
  await page.getByRole('button', { name: `Cancel the upload of ${other.name}` }).click();
  await item(page, other.name).getByText('What has come so far is thrown away.').waitFor();
  await item(page, other.name).getByRole('button', { name: 'Keep' }).click();
  await item(page, other.name)
    .getByText('What has come so far is thrown away.')
    .waitFor({ state: 'detached' });
  await page.getByRole('button', { name: `Cancel the upload of ${other.name}` }).click();
  await item(page, other.name).getByRole('button', { name: 'Throw away' }).click();
  await view(page).waitFor({ state: 'detached' });
  await until('nothing unfinished is left', async () => (await service.get('/uploads')).length === 0);
  assert.deepEqual(await service.get(`/iso?name=${other.name}`), []);
}

/** Drops files onto the page, like a file manager; calls `meanwhile` while they hover. */
async function drop(page, paths, meanwhile = async () => {}) {
  const browser = await page.context().newCDPSession(page);
  const data = { items: [], files: paths, dragOperationsMask: 1 };
  const drag = (type) => browser.send('Input.dispatchDragEvent', { type, x: 400, y: 400, data });
  await drag('dragEnter');
  await drag('dragOver');
  await meanwhile();
  await drag('drop');
}

/** Where the browser lets the page keep the file, it need not be chosen again. */
export async function uploadGoesOnByItself(scene) {
  const { service, network, begun, person } = await slowly(scene);
  const page = await scene.look('#/files', { person, origin: scene.through(network.port, '127.0.0.1') });
  const one = file(scene, 'linux.iso');
  await drop(page, [one.path]);
  await reached(page, one.name, 15);
  await page.reload();
  assert.equal((await service.get('/uploads')).length, 1);
  network.limit = Infinity;
  await item(page, one.name).getByText('It is in the store.').waitFor();
  await stored(service, one);
  assert.equal(begun.length, 1, 'it began anew');
}

/** Several files are dropped at once. */
export async function severalDropped(scene) {
  const { service, network, page } = await slowly(scene);
  const kernels = ['vmlinuz', 'initrd.img', 'base.squashfs', 'overlay.cpio.gz'].map((name) =>
    file(scene, name, 24 * MB),
  );
  network.limit = 2 * MB;
  await page.getByRole('button', { name: /^Microkernels/ }).click();
  await page.getByRole('heading', { name: 'No microkernels yet' }).waitFor();
  const paths = kernels.map(({ path }) => path);
  await drop(page, paths, () => page.getByText('Drop microkernels to upload them').waitFor());
  await page.getByText('Drop microkernels to upload them').waitFor({ state: 'detached' });
  await view(page).getByText('3 going, 1 waiting').waitFor();
  for (const { name } of kernels.slice(0, 3)) await reached(page, name, 5);
  network.limit = Infinity;
  for (const one of kernels) {
    await item(page, one.name).getByText('It is in the store.').waitFor();
    await stored(service, one, 'microkernel');
  }
  await nothingLeft(service);
  const table = page.getByRole('table', { name: 'Microkernels' });
  for (const { name } of kernels) await table.getByRole('row', { name }).waitFor();
}

/** For a name that is taken the page asks before it sends anything. */
export async function uploadOfATakenName(scene) {
  const service = await scene.serve({}, (service) => iso(service.stored('used.iso'), SYSTEMS.photon('5.0')));
  await service.register('photon', '5.0', { isostore: 'used.iso' });
  const [used, free] = [file(scene, 'used.iso', MB), file(scene, 'free.iso', MB)];
  await service.ask('PUT', '/iso?name=free.iso', randomBytes(1000));
  const page = await scene.look('#/files');
  await choose(page, [used.path, free.path]);
  await item(page, used.name)
    .getByText('images are made from it, so the service will not replace it')
    .waitFor();
  await item(page, used.name).getByRole('link', { name: 'photon 5.0' }).waitFor();
  await item(page, used.name).getByRole('button', { name: 'Use another name…' }).click();
  const name = item(page, used.name).getByLabel('Name in the store');
  assert.equal(await name.inputValue(), 'used-2.iso');
  await name.press('Enter');
  await stored(service, { ...used, name: 'used-2.iso' });

  await item(page, free.name)
    .getByText('The store has a file of this name. It is replaced when all of the new one is there.')
    .waitFor();
  assert.equal((await service.get('/iso?name=free.iso'))[0].bytes, 1000);
  await item(page, free.name).getByRole('button', { name: 'Replace it: free.iso' }).click();
  await item(page, free.name).getByText('It is in the store.').waitFor();
  await stored(service, free);
}

/** Another tab shows this one's uploads, and takes over when it is closed. */
export async function uploadInAnotherTab(scene) {
  const { page } = await slowly(scene);
  const one = file(scene, 'linux.iso');
  await choose(page, one.path);
  await reached(page, one.name, 10);
  const other = await scene.look('#/files', { person: page.context() });
  await item(other, one.name)
    .getByText(/^Another tab of this browser/)
    .waitFor();
  await page.close();
  await item(other, one.name)
    .getByText(/^Choose the file again to go on: /)
    .waitFor();
}
