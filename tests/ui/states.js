// The states of images, files, uploads and the service that are not there on a good day, from all sides.
import { renameSync, utimesSync, writeFileSync } from 'node:fs';
import { record } from './data_centre.js';
import { inventory } from './inventory.js';
import { iso, SYSTEMS } from './isos.js';
import { row } from './lists.js';
import { ALL_RULES, look, RULES_OF_COLOURS } from './looking.js';
import { until } from './until.js';

/** Long enough to be looked at, in milliseconds and bytes. */
const LONG = 600_000;
const LARGE = 60e9;

const text = (words) => (page) => page.getByText(words).first();

/** A service with an image in each state. */
async function everyState(scene) {
  const service = await scene.serve(
    { downloadRetries: 50, downloadRetryDelay: LONG, maxDownloads: 1 },
    async (service) => {
      await iso(service.stored('photon.iso'), SYSTEMS.photon('5.0'));
      await iso(service.stored('debian.iso'), SYSTEMS.debian('12.9.0'), { size: LARGE });
      inventory(service, { files: [record(service, 'iso', 'debian.iso', 1)] });
    },
  );
  const web = await scene.web();
  const status = async (name) => (await service.image(name)).status;
  await service.register('photon', '5.0', { isostore: 'photon.iso' });
  await service.register('debian', '12.9', { isostore: 'debian.iso' });
  await until('it is ready', async () => (await status('debian')) === 'OK');
  // Its ISO may be another one now, and is read anew.
  utimesSync(service.stored('debian.iso'), 1e9, 1e9);
  await service.register('none', '9.4', { isoweb: `${web.url}/OracleLinux-R9-U4-x86_64-dvd.iso`, wait: '0' });
  await until('it has failed', async () => (await status('none')).startsWith('error'));
  const nowhere = { isoweb: 'http://127.0.0.1:1/openSUSE-Leap-15.6-DVD-x86_64-Media.iso', wait: '0' };
  await service.register('unreachable', '15.6', nowhere);
  await until('it waits', async () =>
    (await service.get('/jobs')).some(({ state, title }) => state === 'waiting' && /unreachable/.test(title)),
  );
  web.limit = 30e6;
  const fedora = web.offer('Fedora.iso', await iso(scene.path('f.iso'), SYSTEMS.photon('41')), 0.9e9);
  await service.register('fedora', '41', { isoweb: fedora, wait: '0' });
  await until('it comes', async () => (await service.get('/jobs')).some(({ progress }) => progress?.done > 20e6));
  const later = web.offer('later.iso', scene.path('f.iso'));
  await service.register('later', '1', { isoweb: later, wait: '0' });
  await until('it is prepared', async () => (await status('debian')) === 'preparing');
  return service;
}

/** Images. */
const IMAGES = {
  'states-images': {
    at: '#/images',
    shows: (page) => row(page, /unreachable/).getByRole('button', { name: 'Try again: unreachable 15.6' }),
  },
  'states-waiting': { at: '#/images/{unreachable 15.6}', shows: text(/tries again in \d+ min/) },
  'states-preparing': { at: '#/images/{debian 12.9}', shows: text('Preparing') },
  'states-files': { at: '#/files', shows: text('Preparing') },
  'states-jobs': { at: '#/activity', shows: text(/tries again in \d+ min/) },
};

export async function everyStateOfAnImage(scene) {
  const service = await everyState(scene);
  const images = await service.get('/images');
  const ids = Object.fromEntries(images.map(({ name, version, id }) => [`${name} ${version}`, id]));
  await look(scene, 'light', ALL_RULES, IMAGES, ids);
  await look(scene, 'dark', RULES_OF_COLOURS, IMAGES, ids);
}

/** Uploads, and at last a service that is gone. */
export async function everyStateOfAnUpload(scene) {
  const service = await scene.serve({}, (service) => iso(service.stored('used.iso'), SYSTEMS.photon('5.0')));
  await service.register('photon', '5.0', { isostore: 'used.iso' });
  const network = await scene.network();
  network.limit = 8e6;
  const files = ['debian-12.9.0-amd64-DVD-1.iso', 'paused.iso', 'Rocky-9.5-x86_64-dvd.iso', 'waits.iso', 'used.iso', 'empty.iso'];
  for (const name of files) writeFileSync(scene.path(name), Buffer.alloc(name === 'empty.iso' ? 0 : 48e6));
  const views = {
    'states-uploads': {
      at: '#/files',
      act: async (page) => {
        const field = page.getByLabel('Upload files…');
        await field.setInputFiles(files.map((name) => scene.path(name)));
        await page.getByRole('button', { name: 'Pause the upload of paused.iso' }).click();
        await page.getByText(/^Paused · /).waitFor();
      },
      shows: text(/ left$/),
    },
    'states-gone': {
      at: '#/files',
      act: async (page) => {
        network.break();
        await page.getByText(/Tries again in \d+ s\./).first().waitFor();
      },
      shows: (page) => page.getByRole('alert').getByText('The service cannot be reached.'),
    },
  };
  await look(scene, 'light', ALL_RULES, views, {});
}

/** Nothing more can be taken in. */
export async function fullFromAllSides(scene) {
  await scene.serve({ reserveBytes: 1e15 });
  const full = { 'states-full': { at: '#/activity', shows: text('Nothing more can be taken in.') } };
  await look(scene, 'light', ALL_RULES, full, {});
}

/** A store has lost a folder that it writes to. */
export async function unwritableFromAllSides(scene) {
  const service = await scene.serve();
  renameSync(service.stored('.incoming'), scene.path('away'));
  const views = { 'states-unwritable': { at: '#/activity', shows: text('the ISO store fails') } };
  await look(scene, 'light', ALL_RULES, views, {});
}
