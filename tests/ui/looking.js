// How views are looked at: in each width, with pictures, and with a search for faults that people would see.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { live } from './scene.js';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
export const ALL_RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
export const RULES_OF_COLOURS = ['color-contrast', 'link-in-text-block'];
export const WINDOWS = [
  { width: 1440, height: 900 },
  { width: 820, height: 1180 },
  { width: 390, height: 844 },
];

/** Checks views one after another; faults go to the complaints. */
export async function look(scene, scheme, rules, views, ids) {
  const page = await scene.look('', { scheme, size: WINDOWS[0], script: AXE });
  for (const [name, view] of Object.entries(views)) {
    await page.setViewportSize(WINDOWS[0]);
    await arrive(scene, page, view, ids);
    for (const size of WINDOWS) {
      await page.setViewportSize(size);
      const where = `${name}, ${scheme}, ${size.width} pixels`;
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      if (wide > size.width) scene.complaints.push(`${where}: it is ${wide} pixels wide`);
      for (const fault of [...(await page.evaluate(sticking)), ...(await page.evaluate(cut))]) scene.complaints.push(`${where}: ${fault}`);
      await page.screenshot({ path: join(scene.pictures, `${name}-${scheme}-${size.width}.png`) });
      if (size !== WINDOWS[1])
        for (const violation of await page.evaluate(violations, rules))
          scene.complaints.push(`${where}: ${violation}`);
    }
    if (await page.getByRole('dialog').count()) {
      await page.keyboard.press('Escape');
      await page.getByRole('dialog').waitFor({ state: 'detached' });
    }
  }
}

/** Opens a view and waits for it. */
export async function arrive(scene, page, { at, act, shows }, ids) {
  await page.goto(`${scene.origin}/${at.replace(/\{(.*?)\}/, (_, title) => ids[title])}`);
  if (at.startsWith('#')) await live(page);
  await act?.(page);
  await shows(page).waitFor();
}

/** Runs in the page. */
async function violations(rules) {
  const { violations } = await window.axe.run(document, { runOnly: rules, resultTypes: ['violations'] });
  const words = ({ html, failureSummary }) =>
    `${html.slice(0, 160)} (${failureSummary.split('\n').slice(1).join(' ').trim()})`;
  return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(words).join('\n    ')}`);
}

/** Runs in the page: the dates in tables that are not shown whole. */
function cut() {
  const cells = [...document.querySelectorAll('.rows td:has(> time)')];
  return cells
    .filter((cell) => cell.scrollWidth > cell.clientWidth)
    .map((cell) => `${cell.textContent} is cut in ${cell.className}`);
}

/** Runs in the page: the buttons and words of states that stick out of what is around them, or of the window. */
function sticking() {
  const faults = [];
  for (const one of document.querySelectorAll(':is(main, dialog) :is(button, a.button, a.plain, .word)')) {
    const { width, right } = one.getBoundingClientRect();
    // Chips are scrolled where they do not fit.
    if (width === 0 || one.closest('.chips')) continue;
    const edges = [innerWidth];
    for (let up = one.parentElement; up && !up.matches('main'); up = up.parentElement)
      edges.push(up.getBoundingClientRect().right);
    const out = right - Math.min(...edges);
    if (out > 0.5) faults.push(`${one.outerHTML.slice(0, 160)} sticks out by ${out.toFixed(0)} pixels`);
  }
  return faults;
}
