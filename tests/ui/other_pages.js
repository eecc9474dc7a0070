// Pages that are not the service's own, and what the browser lets them do with it.
import assert from 'node:assert/strict';
import { createServer, request } from 'node:http';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { REBOUND } from './scene.js';

const EMPTY = '<!doctype html><title>x</title>';

/** A request of a kind that needs no question before it. Runs in the page. */
const send = (url) =>
  fetch(url, { method: 'POST', mode: 'no-cors' }).then(
    (answer) => answer.type,
    () => 'refused',
  );

/** The status of an answer if the page is shown it. Runs in the page. */
const read = (url) =>
  fetch(url).then(
    (answer) => answer.status,
    () => 'not shown',
  );

/** A page at `origin` that begins an upload, and reads what is at paths of the service. */
async function visit(scene, origin, url) {
  const page = await (await scene.person()).newPage();
  await page.goto(`${origin}/page`);
  return {
    send: () => page.evaluate(send, url('/uploads?name=planted.iso&size=5000')),
    read: (path) => page.evaluate(read, url(path)),
  };
}

async function listen(server) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

function end(server) {
  server.close();
  server.closeAllConnections();
}

/** A server of empty pages. */
const pages = () =>
  listen(createServer((_, answer) => answer.setHeader('Content-Type', 'text/html').end(EMPTY)));

/** A page of another site, another port or another name of this address plants nothing and reads nothing. */
export async function pagesOfOtherSitesAreRefused(scene) {
  const service = await scene.serve();
  const server = await pages();
  // The browser reports the refusals of which this scenario is made.
  const expected = /blocked by CORS policy|ERR_BLOCKED_BY/;
  try {
    const own = `http://127.0.0.1:${service.port}`;
    scene.through(service.port, '127.0.0.1');
    for (const host of ['127.0.0.1', REBOUND]) {
      const origin = scene.through(server.address().port, host);
      const { send, read } = await visit(scene, origin, (path) => own + path);
      assert.equal(await read('/images'), 'not shown', host);
      await send();
      assert.deepEqual(await service.get('/uploads'), [], `a page of ${host}`);
    }
  } finally {
    end(server);
  }
  scene.complaints = scene.complaints.filter((complaint) => !expected.test(complaint));
}

/** A page whose name comes to mean the service's address is of its origin, but calls it by a foreign name. */
export async function aReboundNameIsRefused(scene) {
  const service = await scene.serve();
  // The first answer is that of the name's own server; from then on the name means the service.
  const address = createServer((asked, answer) => {
    if (asked.url === '/page') return void answer.setHeader('Content-Type', 'text/html').end(EMPTY);
    const { method, url: path, headers } = asked;
    const passed = request({ port: service.port, method, path, headers }, (answered) => {
      answer.writeHead(answered.statusCode, answered.headers);
      answered.pipe(answer);
    });
    passed.on('error', () => answer.destroy());
    asked.pipe(passed);
  });
  await listen(address);
  try {
    const page = await (await scene.person()).newPage();
    await page.goto(`${scene.through(address.address().port, REBOUND)}/page`);
    const answers = await page.evaluate(async () => {
      const ask = async (method, path) => {
        const answer = await fetch(path, { method });
        return `${answer.status} ${(await answer.json()).message}`;
      };
      return [
        await ask('GET', '/images'),
        await ask('POST', '/uploads?name=a.iso&size=5000'),
        await ask('DELETE', '/iso?name=a.iso'),
      ];
    });
    for (const answer of answers) assert.match(answer, /^421 .*rebound\.test.*`allowedHosts`/);
    assert.deepEqual(await service.get('/uploads'), []);
  } finally {
    end(address);
  }
}

/** The setting `corsOrigins` lets a page read from both APIs, and begin an upload. */
export async function allowedPagesMayCall(scene) {
  const server = await pages();
  try {
    const origin = scene.through(server.address().port, REBOUND);
    const service = await scene.serve({ corsOrigins: [origin] });
    scene.through(service.port, '127.0.0.1');
    scene.through(new URL(service.southbound).port, '127.0.0.1');
    const { send, read } = await visit(scene, origin, (path) =>
      path.startsWith('/common') ? service.southbound + path : `http://127.0.0.1:${service.port}${path}`,
    );
    assert.deepEqual([await read('/images'), await read('/common/')], [200, 200]);
    await send();
    assert.equal((await service.get('/uploads')).length, 1);
  } finally {
    end(server);
  }
}

/** A page out of an image has no origin, also where both APIs share one, so it can do nothing. */
export async function aPageOfAnImageHasNoRights(scene) {
  const shared = [{ address: '127.0.0.1', port: 0, routers: ['northbound', 'southbound'] }];
  const service = await scene.serve({ httpEndpoints: shared });
  const script = '<script>fetch("/uploads?name=a.iso&size=5", {method: "POST"})</script>';
  writeFileSync(join(service.folder, 'static', 'evil.html'), `<!doctype html><title>evil</title>${script}`);
  writeFileSync(join(service.folder, 'static', 'plain.bin'), 'bytes');
  const person = await scene.person();
  const page = await person.newPage();
  const answer = await page.goto(`${scene.origin}/evil.html`);
  assert.equal(answer.headers()['content-security-policy'], 'sandbox');
  assert.equal(await page.title(), 'evil');
  assert.deepEqual(await service.get('/uploads'), []);
  // The listing beside it still leads on, and gives files out.
  const listing = await page.goto(`${scene.origin}/`);
  assert.match(listing.headers()['content-security-policy'], /^sandbox /);
  const tab = person.waitForEvent('page');
  await page.getByRole('link', { name: 'common/' }).click({ modifiers: ['ControlOrMeta'] });
  await (await tab).waitForURL(`${scene.origin}/common/`);
  const download = page.waitForEvent('download');
  await page.getByRole('link', { name: 'plain.bin' }).click();
  assert.equal((await download).url(), `${scene.origin}/plain.bin`);
  await page.getByRole('link', { name: 'common/' }).click();
  await page.waitForURL(`${scene.origin}/common/`);
  // Neither page runs the script of these tests.
  scene.complaints = scene.complaints.filter((complaint) => !/sandbox/.test(complaint));
}
