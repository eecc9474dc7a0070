// ISOs for the scenarios.
import { execFile } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

/**
 * Makes an ISO with Rock Ridge and Joliet of files with their contents.
 * @param files contents by path; a path that ends in `/` is an empty folder
 * @param options `label` of the volume; `size` that the file is filled up to, with a hole
 */
export async function iso(path, files, { label = 'ISOIMAGE', size = 0 } = {}) {
  const tree = `${path}.tree`;
  mkdirSync(tree, { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(tree, name.endsWith('/') ? name : dirname(name)), { recursive: true });
    if (!name.endsWith('/')) writeFileSync(join(tree, name), content);
  }
  await promisify(execFile)('xorriso', [
    '-as',
    'mkisofs',
    '-quiet',
    '-R',
    '-J',
    '-V',
    label,
    '-o',
    path,
    tree,
  ]);
  rmSync(tree, { recursive: true });
  if (size) truncateSync(path, Math.round(size));
  return path;
}

const BLOCK = 512;
const MODIFIED = Date.UTC(2026, 3, 1) / 1000;

/** Makes a tar of empty files; xorriso needs minutes for as many. */
export function tar(path, names) {
  const file = openSync(path, 'w');
  const headers = [];
  for (const name of names) {
    const header = Buffer.alloc(BLOCK);
    header.write(name, 0);
    header.write(
      '0000644\0' +
        '0000000\0' +
        '0000000\0' +
        '00000000000\0' +
        `${MODIFIED.toString(8).padStart(11, '0')}\0` +
        '        0',
      100,
    );
    header.write('ustar\u000000', 257);
    let sum = 0;
    for (const byte of header) sum += byte;
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    headers.push(header);
  }
  writeSync(file, Buffer.concat([...headers, Buffer.alloc(2 * BLOCK)]));
  closeSync(file);
  return path;
}

/** The files that identify systems, and a few that installers fetch. */
export const SYSTEMS = {
  ubuntu: (version) => ({
    '.disk/info': `Ubuntu-Server ${version} LTS "Noble Numbat" - Release amd64 (20260212)\n`,
    'casper/vmlinuz': 'kernel',
    'casper/initrd': 'initrd',
    'casper/install-sources.yaml': '- default: true\n',
    'boot/grub/grub.cfg': 'set timeout=30\n',
    'dists/noble/Release': 'Suite: noble\n',
    'pool/main/g/grub2/grub-common.deb': 'package',
    'md5sum.txt': '0 ./casper/vmlinuz\n',
  }),
  debian: (version) => ({
    '.disk/info': `Debian GNU/Linux ${version} "Bookworm" - Official amd64 DVD Binary-1 with firmware 20260517-10:06\n`,
    'install.amd/vmlinuz': 'kernel',
    'install.amd/initrd.gz': 'initrd',
    'dists/bookworm/Release': 'Suite: stable\n',
    'pool/main/b/bash/bash.deb': 'package',
    'README.html': '<!doctype html>\n',
  }),
  family: (name, version) => ({
    '.treeinfo': `[general]\nfamily = ${name}\nversion = ${version}\narch = x86_64\n[release]\nname = ${name}\nversion = ${version}\nshort = ${name.split(' ')[0]}\n[tree]\narch = x86_64\nplatforms = x86_64\n[images-x86_64]\nkernel = images/pxeboot/vmlinuz\ninitrd = images/pxeboot/initrd.img\n`,
    'images/pxeboot/vmlinuz': 'kernel',
    'images/pxeboot/initrd.img': 'initrd',
    'BaseOS/repodata/repomd.xml': '<repomd/>\n',
    'BaseOS/Packages/b/bash.rpm': 'package',
    'AppStream/repodata/repomd.xml': '<repomd/>\n',
  }),
  esxi: (version) => ({
    'boot.cfg': `bootstate=0\ntitle=Loading ESXi installer\nbuild=${version}-0.20.24022510\nkernel=/b.b00\nmodules=/jumpstrt.gz\n`,
    'mboot.c32': 'boot',
    'b.b00': 'kernel',
    'efi/boot/bootx64.efi': 'boot',
  }),
  photon: (version) => ({
    'isolinux/sample_ks.cfg': '{}\n',
    'isolinux/vmlinuz': 'kernel',
    'isolinux/initrd.img': 'initrd',
    [`RPMS/x86_64/photon-release-${version}-1.ph5.noarch.rpm`]: 'package',
  }),
};
