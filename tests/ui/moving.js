// Navigation by links and keys, and copying.
import assert from 'node:assert/strict';
import { iso } from './isos.js';
import { lists, row, SMALL, withImages } from './lists.js';
import { live } from './scene.js';
import { until } from './until.js';

/** Each view can be linked and reloaded, and the way back works. */
export async function linkedAndGoneBack(scene) {
  const service = await withImages(scene, [['photon', '5.0']]);
  const { id } = await service.image('photon');
  const page = await scene.look();
  const views = [
    ['', /^Images/, { role: 'heading', name: 'Images' }],
    ['#/files', /^Files/, { role: 'heading', name: 'Files' }],
    ['#/activity', /^Activity/, { role: 'heading', name: 'Activity' }],
    [`#/images/${id}`, /^photon 5\.0/, { role: 'heading', name: 'photon 5.0' }],
    [`#/images/${id}?path=isolinux%2F`, /^photon 5\.0/, { role: 'link', name: 'vmlinuz' }],
    [`#/images/${id}?search=initrd`, /^photon 5\.0/, { role: 'link', name: 'isolinux/initrd.img' }],
    ['#/files?store=microkernel', /^Files/, { role: 'heading', name: 'No microkernels yet' }],
    ['#/files?file=a.iso', /^Files/, { role: 'dialog', name: 'a.iso' }],
    ['#/activity?jobs=failed', /^Activity/, { role: 'button', name: 'Failed 0' }],
    ['#/images?add=store', /^Images/, { role: 'dialog', name: 'Add an image' }],
  ];
  for (const [view, title, { role, name }] of views) {
    await page.goto(`${scene.origin}/${view}`);
    for (const again of [false, true]) {
      if (again) await page.reload();
      await page.getByRole(role, { name, exact: true }).waitFor();
      await live(page);
      assert.match(await page.title(), title, view);
    }
  }
  assert.equal(await page.getByRole('radio', { name: 'In the store' }).isChecked(), true);

  await page.goto(`${scene.origin}/`);
  await row(page, /photon/)
    .getByRole('link')
    .first()
    .click();
  await page.getByRole('heading', { name: 'photon 5.0' }).waitFor();
  await page.getByRole('link', { name: 'Files' }).click();
  await page.getByRole('heading', { name: 'Files', level: 1 }).waitFor();
  await page.goBack();
  await page.getByRole('heading', { name: 'photon 5.0' }).waitFor();
  await page.goBack();
  await lists(page, ['photon 5.0']);
  await page.goForward();
  await page.getByRole('heading', { name: 'photon 5.0' }).waitFor();

  await page.goto(`${scene.origin}/#/images/nothing`);
  await page.getByText('There is no such image, or no more.').waitFor();
}

/** Everything works without a mouse. */
export async function byKeyboardAlone(scene) {
  const service = await scene.serve({}, (service) => iso(service.stored('linux-7.iso'), SMALL));
  const page = await scene.look();
  const focused = (locator) =>
    until('it has the focus', () => locator.evaluate((one) => one === document.activeElement));
  const keys = page.keyboard;

  await keys.press('n');
  const form = page.getByRole('dialog', { name: 'Add an image' });
  await focused(form.getByRole('textbox', { name: 'Link', exact: true }));
  await keys.press('Shift+Tab');
  await focused(form.getByRole('radio', { name: 'On the web' }));
  await keys.press('ArrowRight');
  await focused(form.getByRole('radio', { name: 'In the store' }));
  await keys.press('Tab');
  await focused(form.getByRole('combobox', { name: 'ISO' }));
  await keys.type('linux-7.iso');
  await keys.press('Enter');
  await page.getByRole('heading', { name: 'linux 7' }).waitFor();
  await until('the focus goes where the new view begins', () =>
    page.evaluate(() => document.activeElement.id === 'main'),
  );

  await service.register('linux', '8', { isostore: 'linux-7.iso' });
  await service.register('linux', '9', { isostore: 'linux-7.iso' });
  await keys.press('i');
  await lists(page, ['linux 7', 'linux 8', 'linux 9']);
  await keys.press('/');
  const filter = page.getByRole('searchbox', { name: 'Filter images' });
  await focused(filter);
  await keys.type('n');
  await keys.press('Escape');
  assert.equal(await filter.inputValue(), '', 'Escape clears the filter');
  assert.equal(await page.getByRole('dialog').count(), 0, 'typing is not a shortcut');

  const link = (version) => page.getByRole('link', { name: `linux ${version}` });
  await link('7').focus();
  for (const [key, version] of [
    ['ArrowDown', '8'],
    ['ArrowDown', '9'],
    ['ArrowDown', '9'],
    ['ArrowUp', '8'],
    ['Home', '7'],
    ['End', '9'],
    ['PageUp', '7'],
    ['PageDown', '9'],
  ]) {
    await keys.press(key);
    await focused(link(version));
  }
  await keys.press('Tab');
  assert.ok(
    await row(page, /linux 9/).evaluate((one) => one.contains(document.activeElement)),
    'the buttons of a row come after its name',
  );

  await link('9').focus();
  await keys.press('?');
  const help = page.getByRole('dialog', { name: 'Keyboard shortcuts' });
  await help.waitFor();
  await keys.press('Escape');
  await help.waitFor({ state: 'detached' });
  await focused(link('9'));
  await keys.press('n');
  await form.waitFor();
  await keys.press('Escape');
  await form.waitFor({ state: 'detached' });
  await focused(link('9'));
  await keys.press('Enter');
  await page.getByRole('heading', { name: 'linux 9' }).waitFor();

  // Single-key shortcuts can be switched off, for people who dictate.
  await keys.press('?');
  await help.getByRole('checkbox', { name: 'Single keys are shortcuts' }).focus();
  await keys.press('Space');
  await keys.press('Escape');
  await help.waitFor({ state: 'detached' });
  await keys.press('i');
  await keys.press('n');
  await page.reload();
  await page.getByRole('heading', { name: 'linux 9' }).waitFor();
  await keys.press('i');
  await keys.press('n');
  assert.match(page.url(), /#\/images\/[0-9a-f-]+$/, 'the shortcuts are off');
}

/** A page over plain HTTP has no clipboard API, and copies all the same. */
export async function copiedWithoutAClipboard(scene) {
  const service = await withImages(scene, [['photon', '5.0']]);
  const page = await scene.look();
  assert.equal(await page.evaluate(() => isSecureContext || 'clipboard' in navigator), false);
  /** The text that a paste inserts. */
  const pasted = async () => {
    const field = page.getByRole('searchbox').first();
    await field.fill('');
    await field.focus();
    await page.keyboard.press('Control+V');
    const words = await field.inputValue();
    await field.fill('');
    return words;
  };
  const url = `${service.southbound}/photon/5.0`;
  const copy = row(page, /photon/).getByRole('button', { name: 'Copy repository URL of photon 5.0' });
  await copy.focus();
  await page.keyboard.press('Enter');
  await page.getByText('Copied: repository URL of photon 5.0').waitFor({ state: 'attached' });
  assert.ok(await copy.evaluate((button) => button === document.activeElement), 'the focus stays');
  assert.equal(await pasted(), url);
  await page.getByRole('log').getByText(/^Copied, but .*: 127\.0\.0\.1 means each machine itself\./).waitFor();
  const { sha256 } = await until('it has a digest', async () => {
    const image = await service.image('photon');
    return image.sha256 && image;
  });
  await row(page, /photon/)
    .getByRole('button', { name: 'Copy SHA-256' })
    .click();
  assert.equal(await pasted(), sha256);
  // In a dialog, which makes the rest of the page inert.
  await page.getByRole('link', { name: 'Add image' }).click();
  await page.getByText('The same from a shell').click();
  await page.getByRole('dialog').getByRole('button', { name: 'Copy The same from a shell' }).click();
  await page.keyboard.press('Escape');
  assert.match(await pasted(), /^curl -X PUT '/);
}
