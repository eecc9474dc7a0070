// Uppy, the browser client by the makers of tus, with its defaults, on a page of another origin.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const SOURCE = `
  import Uppy from '@uppy/core';
  import Tus from '@uppy/tus';
  window.begin = (endpoint) => new Uppy().use(Tus, { endpoint });
`;

/** The page of an operator's own portal, with Uppy in one script. */
async function portal() {
  const resolveDir = fileURLToPath(new URL('.', import.meta.url));
  const { outputFiles } = await build({
    stdin: { contents: SOURCE, resolveDir },
    bundle: true,
    write: false,
    logLevel: 'silent',
  });
  const page = `<!doctype html><title>Portal</title><link rel="icon" href="data:,"><script>${outputFiles[0].text}</script>`;
  const server = createServer((_, response) =>
    response.setHeader('Content-Type', 'text/html; charset=utf-8').end(page),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

/** A file goes to the store that the page names, under its own name, though Uppy sends what it knows twice. */
export async function uppyWithItsDefaults(scene) {
  const server = await portal();
  try {
    const origin = scene.through(server.address().port, '127.0.0.1');
    const service = await scene.serve({ corsOrigins: [origin] });
    const page = await (await scene.person()).newPage();
    await page.goto(`${origin}/`);
    const bytes = randomBytes(300_000);
    const told = await page.evaluate(
      async ({ endpoint, text }) => {
        const data = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
        const uppy = window.begin(endpoint);
        for (const [name, store] of [
          ['kernel-słońce', 'microkernel'],
          ['by-uppy.iso', 'iso'],
        ])
          uppy.addFile({ name, type: 'application/x-cd-image', data: new File([data], name), meta: { store } });
        const { successful, failed } = await uppy.upload();
        return { successful: successful.length, failed: failed.map(({ error }) => String(error)) };
      },
      { endpoint: `${scene.through(service.port, '127.0.0.1')}/uploads`, text: bytes.toString('base64') },
    );
    assert.deepEqual(told, { successful: 2, failed: [] });
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    for (const [store, name] of [
      ['microkernel', 'kernel-słońce'],
      ['iso', 'by-uppy.iso'],
    ]) {
      const [file] = await service.get(`/${store}?name=${encodeURIComponent(name)}`);
      assert.deepEqual([file?.bytes, file?.sha256, file?.status], [bytes.length, sha256, 'OK'], name);
    }
  } finally {
    server.close();
    server.closeAllConnections();
  }
}
