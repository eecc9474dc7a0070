// Every view and dialog in both colour schemes and three widths: nothing overflows or shifts, axe finds no
// fault, and pictures are taken.
import { dataCentre } from './data_centre.js';
import { ALL_RULES, arrive, look, RULES_OF_COLOURS, WINDOWS } from './looking.js';

// The limit on layout shift while a view loads (Layout Instability API); half of what counts as good.
const MOST_SHIFTED = 0.05;

const heading = (name) => (page) => page.getByRole('heading', { name, exact: true });
const text = (words) => (page) => page.getByText(words).first();
const dialog = (name) => (page) => page.getByRole('dialog', { name });

/** Views by name: the URL, given images' ids by title; the steps; and what is visible then. */
const VIEWS = {
  images: { at: '#/images', shows: text('11 images') },
  'images-filtered': { at: '#/images?q=ubuntu&sort=-created', shows: text('2 of 11 images') },
  'images-none': { at: '#/images?q=nothing', shows: text('No image matches.') },
  'image-ready': { at: '#/images/{ubuntu 24.04.2}', shows: text('7 entries') },
  'image-folder': { at: '#/images/{ubuntu 24.04.2}?path=packages%2Fg%2F', shows: text('40 entries') },
  'image-search': { at: '#/images/{ubuntu 24.04.2}?search=openssl', shows: text('20 found') },
  'image-failed': { at: '#/images/{oracle 9.4}', shows: text('link 1 is set aside') },
  'image-coming': { at: '#/images/{fedora 41}', shows: (page) => page.getByRole('progressbar') },
  'image-gone': { at: '#/images/none', shows: text('There is no such image, or no more.') },
  files: { at: '#/files', shows: text('9 files') },
  microkernels: { at: '#/files?store=microkernel', shows: text('4 files') },
  'file-details': { at: '#/files?file=Rocky-9.5-x86_64-dvd.iso', shows: dialog('Rocky-9.5-x86_64-dvd.iso') },
  activity: { at: '#/activity', shows: (page) => page.getByRole('row', { name: /127\.0\.10\.21/ }) },
  'activity-log': {
    at: '#/activity',
    act: (page) => page.getByRole('button', { name: /^Log: .*oracle/ }).click(),
    shows: text('link 1 is set aside'),
  },
  'add-web': { at: '#/images?add=web', shows: dialog('Add an image') },
  'add-store': { at: '#/images?add=store', shows: (page) => page.getByRole('combobox', { name: 'ISO' }) },
  'add-upload': { at: '#/images?add=upload', shows: text('or drop it here') },
  'add-local': { at: '#/images?add=local', shows: (page) => page.getByLabel('Path on the server') },
  'add-wrong': { at: '#/images?add=web', act: sendNothing, shows: text('A name is needed.') },
  'delete-image': {
    at: '#/images',
    act: (page) => page.getByRole('button', { name: 'Delete ubuntu 24.04.2' }).click(),
    shows: dialog('Delete ubuntu 24.04.2?'),
  },
  'delete-refused': {
    at: '#/files',
    act: (page) => page.getByRole('button', { name: 'Delete Rocky-9.5-x86_64-dvd.iso' }).click(),
    shows: dialog('Rocky-9.5-x86_64-dvd.iso cannot be deleted'),
  },
  keys: { at: '#/images', act: (page) => page.keyboard.press('?'), shows: dialog('Keyboard shortcuts') },
  docs: { at: 'docs', shows: heading('The management API') },
};

const EMPTY_VIEWS = {
  'empty-images': { at: '#/images', shows: heading('No images yet') },
  'empty-files': { at: '#/files', shows: heading('No ISOs yet') },
  'empty-microkernels': { at: '#/files?store=microkernel', shows: heading('No microkernels yet') },
  'empty-activity': { at: '#/activity', shows: text('Nothing was fetched since the service was started.') },
  'empty-add-store': { at: '#/images?add=store', shows: text('The store is empty.') },
};

async function sendNothing(page) {
  const form = page.getByRole('dialog', { name: 'Add an image' });
  await form.getByText('Verification and more').click();
  await form.getByText('The same from a shell').click();
  await form.getByRole('button', { name: 'Download and add' }).click();
}

export async function everythingInLight(scene) {
  await look(scene, 'light', ALL_RULES, VIEWS, await titled(await dataCentre(scene)));
}

export async function everythingInTheDark(scene) {
  await look(scene, 'dark', RULES_OF_COLOURS, VIEWS, await titled(await dataCentre(scene)));
}

export async function nothingThereFromAllSides(scene) {
  await scene.serve();
  await look(scene, 'light', ALL_RULES, EMPTY_VIEWS, {});
}

/** Elements do not move while the rest loads. */
export async function nothingMoves(scene) {
  const ids = await titled(await dataCentre(scene));
  for (const size of [WINDOWS[0], WINDOWS[2]]) {
    const page = await scene.look('', { size });
    for (const name of ['images', 'image-ready', 'image-coming', 'files', 'activity', 'docs']) {
      // A page of its own, since a change of the fragment loads nothing.
      await page.goto('about:blank');
      await arrive(scene, page, VIEWS[name], ids);
      const shifted = await page.evaluate(() => window.shifted);
      if (shifted > MOST_SHIFTED)
        scene.complaints.push(`${name}, ${size.width} pixels: it moved by ${shifted.toFixed(3)}`);
    }
  }
}

/** The ids of images by their titles. */
async function titled(service) {
  return Object.fromEntries(
    (await service.get('/images')).map(({ name, version, id }) => [`${name} ${version}`, id]),
  );
}
