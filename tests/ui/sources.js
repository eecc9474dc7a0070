// The page's sources: their types, the libraries among them, and the size of the download.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { get } from 'node:http';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

// Beside the packages lies a copy of the sources.
const HERE = dirname(fileURLToPath(import.meta.url));
const SOURCES = join(HERE, 'web-ui');
const MOST_BYTES = 100_000;

/** Runs a program of a package; returns its output. */
async function run(...command) {
  try {
    return (await promisify(execFile)(process.execPath, command, { cwd: HERE, maxBuffer: 2 ** 24 })).stdout;
  } catch (error) {
    throw new Error(`${error.stdout}${error.stderr}`, { cause: error });
  }
}

/** The page's types agree with the API's document. */
export async function typesAgree() {
  const types = await run('node_modules/openapi-typescript/bin/cli.js', 'openapi.json');
  assert.ok(
    types === readFileSync(join(SOURCES, 'api.d.ts'), 'utf8'),
    'web-ui/api.d.ts is stale: tests/ui/run --types renews it',
  );
  await run('node_modules/typescript/bin/tsc', '--project', 'web-ui');
}

/** Each library equals its package's file, in the version and with the licence stated beside it. */
export async function librariesAreWhatTheySay() {
  const vendor = join(SOURCES, 'vendor');
  const lines = readFileSync(join(vendor, 'README.md'), 'utf8').matchAll(
    /^\| `([^`]+)` \| (\S+) \| (\S+) \| (\S+) \| `([^`]+)` \|$/gm,
  );
  const files = ['README.md'];
  for (const [, file, name, version, licence, original] of lines) {
    const folder = join(HERE, 'node_modules', name);
    const described = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    assert.deepEqual([described.version, described.license], [version, licence], name);
    assert.ok(
      readFileSync(join(vendor, file)).equals(readFileSync(join(folder, original))),
      `vendor/${file} is not ${original} of ${name} ${version}`,
    );
    files.push(file);
  }
  assert.deepEqual(readdirSync(vendor).sort(), files.sort(), 'the files that vendor/README.md names');
}

/**
 * Embedded files are small as sent, and so is a first load by plain HTTP, where browsers do not accept
 * brotli.
 */
export async function assetsAreSmall(scene) {
  const service = await scene.serve();
  const page = await scene.look();
  const folder = await page.evaluate(
    () => new URL('.', document.querySelector('link[rel=stylesheet]').href).pathname,
  );
  const assets = readdirSync(SOURCES, { recursive: true }).filter((path) => /\.(js|css|svg)$/.test(path));
  const urls = ['/gui/', '/docs', ...assets.map((path) => folder + path)];
  const fetched = await page.evaluate(() =>
    performance.getEntriesByType('resource').map(({ name }) => new URL(name).pathname),
  );
  const first = urls.filter((url) => url === '/gui/' || fetched.includes(url));
  const sizes = {};
  // Encodings that browsers accept by HTTPS, and by plain HTTP.
  for (const encoding of ['br, gzip', 'gzip']) {
    sizes[encoding] = new Map();
    for (const url of urls) sizes[encoding].set(url, await sent(service, url, encoding));
  }
  const sum = (encoding, urls) => urls.reduce((all, url) => all + sizes[encoding].get(url), 0);
  const [br, gzip, visit] = [sum('br, gzip', urls), sum('gzip', urls), sum('gzip', first)];
  scene.figures.push(
    `all ${urls.length} assets are ${inKb(br)} as brotli and ${inKb(gzip)} as gzip; the first visit takes ${inKb(visit)} of gzip in ${first.length} requests`,
  );
  const largest = [...sizes.gzip].sort(([, a], [, b]) => b - a).slice(0, 8);
  assert.ok(br < MOST_BYTES && visit < MOST_BYTES, `the largest: ${JSON.stringify(largest)}`);
}

const inKb = (bytes) => `${(bytes / 1000).toFixed(1)} KB`;

/** The bytes of a body on the wire. */
function sent(service, path, encoding) {
  return new Promise((resolve, reject) => {
    get(
      { port: service.port, path, headers: { 'Accept-Encoding': encoding, Accept: 'text/html' } },
      async (answer) => {
        let bytes = 0;
        for await (const chunk of answer) bytes += chunk.length;
        if (answer.statusCode === 200 && encoding.includes(answer.headers['content-encoding'] ?? 'none'))
          resolve(bytes);
        else
          reject(
            new Error(
              `GET ${path}: ${answer.statusCode}, ${answer.headers['content-encoding'] ?? 'not compressed'}`,
            ),
          );
      },
    ).on('error', reject);
  });
}
