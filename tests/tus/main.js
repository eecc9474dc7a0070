// The scenarios of tus-js-client: node main.js BINARY FOLDER [SCENARIO…]
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import tus from 'tus-js-client';
import { upload } from './client.js';
import { Data } from './data.js';
import { Proxy } from './proxy.js';
import { Service } from './service.js';

const MIB = 2 ** 20;
// The most bytes that a cut may lose on average: those in transit, in kernel buffers that are full when the
// service is slow.
const LOST = 16 * MIB;
// The limit of all scenarios in milliseconds. An idle machine needs a tenth.
const LIMIT = 180_000;

/** 2 GiB are uploaded, though no connection carries more than 100 MiB. */
async function brokenNetwork(service, proxy) {
  const data = new Data(1, 2048 * MIB);
  const digest = data.digest();
  proxy.limit = 100 * MIB;
  const running = upload(`${proxy.url}/uploads`, data, 'broken.iso', {
    fileReader: { openFile: async () => data },
  });
  const started = Date.now();
  running.upload.start();
  await running.finished;
  const seconds = (Date.now() - started) / 1000;
  await stored(service, 'broken.iso', data.size, digest);
  assert.ok(proxy.cuts >= 20, `${proxy.cuts} cuts`);
  assert.ok(proxy.carried < data.size + proxy.cuts * LOST, `${proxy.carried} bytes with ${proxy.cuts} cuts`);
  assert.equal(running.requests.POST, 1, 'it began anew');
  const more = Math.ceil((proxy.carried - data.size) / MIB);
  return `2 GiB in ${seconds.toFixed(1)} s with ${proxy.cuts} cuts, ${more} MiB of it sent twice, memory of the service ${service.memory()} MiB`;
}

/** The first request carries everything. */
async function withCreation(service, proxy, file) {
  const { source, data } = await file(2, 64 * MIB);
  const running = upload(`${proxy.url}/uploads`, source, 'creation.iso', { uploadDataDuringCreation: true });
  running.upload.start();
  await running.finished;
  await stored(service, 'creation.iso', data.size, data.digest());
  assert.deepEqual(running.requests, { POST: 1 });
}

/**
 * The first request breaks, so its upload is unknown to the client: it starts another, and the first goes.
 */
async function brokenCreation(service, proxy, file) {
  const { source, data } = await file(3, 64 * MIB);
  proxy.limit = 24 * MIB;
  proxy.atLimit = async () => {
    proxy.limit = Infinity;
  };
  const running = upload(`${proxy.url}/uploads`, source, 'anew.iso', { uploadDataDuringCreation: true });
  running.upload.start();
  await running.finished;
  await stored(service, 'anew.iso', data.size, data.digest());
  assert.deepEqual(Object.keys(running.requests), ['POST']);
}

/** The client cancels during the transfer. */
async function terminated(service, proxy, file) {
  const { source } = await file(4, 64 * MIB);
  proxy.limit = 24 * MIB;
  const running = upload(`${proxy.url}/uploads`, source, 'terminated.iso');
  const gone = new Promise((resolve, reject) => {
    proxy.atLimit = async () => {
      proxy.limit = Infinity;
      running.upload.abort(true).then(resolve, reject);
    };
    running.finished.then(() => reject(new Error('it was not aborted')), reject);
  });
  running.upload.start();
  await gone;
  assert.ok(running.requests.DELETE >= 1);
  const after = await fetch(running.upload.url, { method: 'HEAD', headers: { 'Tus-Resumable': '1.0.0' } });
  assert.ok([404, 410].includes(after.status), `HEAD: ${after.status}`);
  assert.deepEqual(await service.get('/iso?name=terminated.iso'), []);
}

/** The client is killed. Another process resumes by the first one's notes. */
async function otherProcess(service, proxy, file, folder) {
  const { source, data } = await file(5, 64 * MIB);
  const command = [
    'client.js',
    `${proxy.url}/uploads`,
    source.path,
    'process.iso',
    join(folder, 'storage.json'),
  ];
  const options = { cwd: fileURLToPath(new URL('.', import.meta.url)) };
  const first = spawn(process.execPath, command, { ...options, stdio: ['ignore', 'ignore', 'inherit'] });
  proxy.limit = 40 * MIB;
  proxy.atLimit = async () => first.kill('SIGKILL');
  assert.deepEqual(await once(first, 'exit'), [null, 'SIGKILL']);
  const { stdout } = await promisify(execFile)(process.execPath, command, options);
  await stored(service, 'process.iso', data.size, data.digest());
  assert.deepEqual(JSON.parse(stdout), { HEAD: 1, PATCH: 1 });
  assert.ok(proxy.carried < data.size + LOST, `${proxy.carried} bytes`);
}

/** The service is restarted, then killed and restarted. A kill may lose the bytes of the seconds before. */
async function restarts(service, proxy, file) {
  const { source, data } = await file(6, 96 * MIB);
  const signals = ['SIGTERM', 'SIGKILL'];
  const step = 40 * MIB;
  proxy.limit = step;
  proxy.atLimit = async () => {
    const signal = signals.shift();
    if (signals.length === 0) proxy.limit = Infinity;
    await service.stop(signal);
    await service.start();
  };
  const running = upload(`${proxy.url}/uploads`, source, 'restarts.iso');
  running.upload.start();
  await running.finished;
  await stored(service, 'restarts.iso', data.size, data.digest());
  assert.deepEqual(signals, []);
  assert.equal(running.requests.POST, 1, 'it began anew');
  assert.ok(proxy.carried < data.size + step + 2 * LOST, `${proxy.carried} bytes`);
}

/** Pieces of a stream, for networks that limit a request's size and reject PATCH. */
async function inPieces(service, proxy) {
  const data = new Data(8, 20 * MIB);
  const running = upload(`${proxy.url}/uploads`, data.read(0, data.size), 'pieces.iso', {
    uploadSize: data.size,
    chunkSize: 8 * MIB,
    overridePatchMethod: true,
  });
  running.upload.start();
  await running.finished;
  await stored(service, 'pieces.iso', data.size, data.digest());
  assert.deepEqual(running.requests, { POST: 4 });
}

/** The length is known at the end of the stream. */
async function unknownLength(service, proxy) {
  const data = new Data(10, 20 * MIB);
  const running = upload(`${proxy.url}/uploads`, data.read(0, data.size), 'unknown.iso', {
    uploadLengthDeferred: true,
    chunkSize: 8 * MIB,
  });
  running.upload.start();
  await running.finished;
  await stored(service, 'unknown.iso', data.size, data.digest());
}

/** An upload that can never succeed is refused at once, is not retried, and shows its reason. */
async function refused(service, proxy, file) {
  const { source } = await file(9, 0);
  const running = upload(`${proxy.url}/uploads`, source, 'empty.iso');
  running.upload.start();
  await assert.rejects(running.finished, /response code: 400, .*empty/);
  assert.deepEqual(running.requests, { POST: 1 });
}

/** Everything has arrived, but the client is not told. */
async function lostAnswer(service, proxy, file) {
  const { source, data } = await file(7, 64 * MIB);
  proxy.deafAfter = data.size;
  const running = upload(`${proxy.url}/uploads`, source, 'answer.iso');
  running.upload.start();
  await running.finished;
  await stored(service, 'answer.iso', data.size, data.digest());
  assert.equal(proxy.cuts, 1);
  assert.deepEqual(running.requests, { POST: 1, PATCH: 1, HEAD: 1 });
}

/** The store has the file, complete. */
async function stored(service, name, size, digest) {
  const [file] = await service.get(`/iso?name=${name}`);
  assert.deepEqual([file?.bytes, file?.sha256, file?.status], [size, digest, 'OK'], name);
}

const SCENARIOS = [
  inPieces,
  unknownLength,
  refused,
  withCreation,
  brokenCreation,
  terminated,
  otherProcess,
  restarts,
  lostAnswer,
  brokenNetwork,
];

async function run(binary, folder, ...chosen) {
  const service = new Service(binary, folder);
  const results = [];
  try {
    await service.start();
    for (const scenario of SCENARIOS.filter(({ name }) => chosen.length === 0 || chosen.includes(name))) {
      console.log(`tus: ${scenario.name}`);
      const proxy = await Proxy.open(service);
      const path = join(folder, 'source');
      const file = async (seed, size) => {
        const data = new Data(seed, size);
        await data.write(path);
        return { source: createReadStream(path), data };
      };
      results.push(await scenario(service, proxy, file, folder));
      assert.deepEqual(await service.get('/uploads'), [], 'something is left');
      proxy.close();
      rmSync(path, { force: true });
    }
    await service.stop();
  } catch (error) {
    console.log(service.said());
    // An error of tus-js-client carries its whole request.
    console.log(error instanceof tus.DetailedError ? error.message : error);
    process.exit(1);
  }
  console.log(`${results.length} passed, 0 failed`);
  for (const result of results.filter(Boolean)) console.log(`check: tus-js-client uploaded ${result}`);
}

setTimeout(() => {
  console.log(`tus: it is not over after ${LIMIT / 1000} s`);
  process.exit(1);
}, LIMIT).unref();
await run(...process.argv.slice(2));
// Idle connections would keep the process alive.
process.exit(0);
