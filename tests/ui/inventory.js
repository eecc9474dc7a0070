// Records of images and files that are there already, as the service itself would have written them.
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Lets the records of a service that has not started yet be these. */
export function inventory(service, { images = [], files = [], jobs = [] }) {
  writeFileSync(join(service.folder, 'inventory.json'), JSON.stringify({ version: 2, images, files, jobs }));
}

/** By what the service knows that a file is the one that it was. */
export function identity(path) {
  const { dev, ino, size, mtimeNs } = statSync(path, { bigint: true });
  return { device: Number(dev), inode: Number(ino), size: Number(size), seconds: Number(mtimeNs / 1_000_000_000n), nanoseconds: Number(mtimeNs % 1_000_000_000n) };
}

/** An image that is ready, of an ISO in the store. */
export function ready(service, { id, name, version, iso, created = new Date().toISOString(), source = { kind: 'store' }, sha256 = null, tree }) {
  return { id, name, version, iso, status: 'OK', source, created, updated: created, identity: identity(service.stored(iso)), sha256, tree };
}
