// The list of images, as scenarios read it.
import assert from 'node:assert/strict';
import { iso, SYSTEMS } from './isos.js';
import { until } from './until.js';

/** The content of an image where it does not matter. */
export const SMALL = SYSTEMS.photon('5.0');

/** Waits until the page lists these images, in this order. */
export const lists = (page, names) =>
  until(
    `these are listed: ${names}`,
    async () =>
      assert.deepEqual(
        await page.getByRole('table', { name: 'Images' }).locator('a[data-row]').allInnerTexts(),
        names,
      ) ?? true,
  );

export const row = (page, name) => page.getByRole('row', { name });

/** A service with small images of the store, by name and version. */
export async function withImages(scene, names) {
  const service = await scene.serve({}, (service) => iso(service.stored('a.iso'), SMALL));
  for (const [name, version] of names) await service.register(name, version, { isostore: 'a.iso' });
  return service;
}
