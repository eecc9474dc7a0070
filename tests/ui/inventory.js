// Existing records of images and files, in the service's own format.
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Writes the records of a service that has not started yet. */
export function inventory(service, { images = [], files = [], jobs = [] }) {
  writeFileSync(join(service.folder, 'inventory.json'), JSON.stringify({ version: 2, images, files, jobs }));
}

/** The marks by which the service recognises an unchanged file. */
export function identity(path) {
  const { dev, ino, size, mtimeNs } = statSync(path, { bigint: true });
  return {
    device: Number(dev),
    inode: Number(ino),
    size: Number(size),
    seconds: Number(mtimeNs / 1_000_000_000n),
    nanoseconds: Number(mtimeNs % 1_000_000_000n),
  };
}

/** A ready image of an ISO in the store. */
export function ready(
  service,
  {
    id,
    name,
    version,
    iso,
    created = new Date().toISOString(),
    source = { kind: 'store' },
    sha256 = null,
    tree,
  },
) {
  return {
    id,
    name,
    version,
    iso,
    status: 'OK',
    source,
    created,
    updated: created,
    identity: identity(service.stored(iso)),
    sha256,
    tree,
  };
}
