// The files of the stores.
import assert from 'node:assert/strict';
import { iso, SYSTEMS } from './isos.js';
import { until } from './until.js';

const row = (page, name) => page.getByRole('row', { name });

/** The ISO of an image cannot be deleted, with the reason; later it can. */
export async function fileInUseIsKept(scene) {
  const service = await scene.serve({}, (service) =>
    iso(service.stored('photon-5.0.iso'), SYSTEMS.photon('5.0')),
  );
  const image = await service.register('photon', '5.0', { isostore: 'photon-5.0.iso' });
  const page = await scene.look('#/files');
  const used = row(page, /photon-5\.0\.iso/);
  assert.equal(
    await used.getByRole('link', { name: 'photon 5.0', exact: true }).getAttribute('href'),
    `#/images/${image.id}`,
  );
  await used.getByRole('button', { name: 'Delete photon-5.0.iso' }).click();
  const refusal = page.getByRole('dialog', { name: 'photon-5.0.iso cannot be deleted' });
  await refusal
    .getByText('An image is made from this ISO, and would stop working. Delete it first:')
    .waitFor();
  await refusal.getByRole('link', { name: 'photon 5.0' }).waitFor();
  assert.equal(await refusal.getByRole('button', { name: 'Delete' }).count(), 0);
  await page.keyboard.press('Escape');
  await refusal.waitFor({ state: 'detached' });

  await service.ask('DELETE', '/images?name=photon&version=5.0');
  await used.getByText('–').first().waitFor();
  await used.getByRole('button', { name: 'Delete photon-5.0.iso' }).click();
  const question = page.getByRole('dialog', { name: 'Delete photon-5.0.iso?' });
  await question.getByText(`${service.southbound}/iso/photon-5.0.iso`).waitFor();
  await question.getByText('The file is deleted from the server’s disk for good.').waitFor();
  await question.getByRole('button', { name: 'Delete file' }).click();
  await page.getByRole('heading', { name: 'No ISOs yet' }).waitFor();
  assert.equal((await service.fetched('/iso/photon-5.0.iso')).status, 404);
}

/** A file's details are shown, and its image is one click away. */
export async function fileInDetail(scene) {
  const service = await scene.serve({}, (service) =>
    iso(service.stored('rocky-9.4.iso'), SYSTEMS.family('Rocky Linux', '9.4')),
  );
  const { sha256, bytes } = await until('it has a digest', async () => {
    const [file] = await service.get('/iso');
    return file?.sha256 && file;
  });
  const page = await scene.look('#/files');
  await row(page, /rocky/)
    .getByRole('link', { name: /rocky-9\.4\.iso/ })
    .first()
    .click();
  const details = page.getByRole('dialog', { name: 'rocky-9.4.iso' });
  await details.getByText(sha256).waitFor();
  await details.getByText(`(${bytes.toLocaleString('en')} bytes)`).waitFor();
  await details.getByText('put into the folder').waitFor();
  assert.equal(
    await details.getByRole('link', { name: /^http/ }).getAttribute('href'),
    `${service.southbound}/iso/rocky-9.4.iso`,
  );
  await page.reload();
  await details.waitFor();
  await details.getByRole('link', { name: 'Add an image…' }).click();
  const form = page.getByRole('dialog', { name: 'Add an image' });
  assert.equal(await form.getByRole('combobox', { name: 'ISO' }).inputValue(), 'rocky-9.4.iso');
  await form.getByRole('button', { name: 'Add', exact: true }).click();
  await page.getByRole('heading', { name: 'rocky 9.4' }).waitFor();
  await page.getByRole('region', { name: 'Details' }).getByRole('link', { name: 'rocky-9.4.iso' }).click();
  await row(page, /rocky/).getByRole('link', { name: 'rocky 9.4', exact: true }).waitFor();
}
