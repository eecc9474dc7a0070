// A service as in a data centre, for pictures and for checks of every view.
import { createHash } from 'node:crypto';
import { readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { once } from 'node:events';
import { identity, inventory } from './inventory.js';
import { iso, SYSTEMS } from './isos.js';
import { until } from './until.js';

const GB = 1e9;
const DAY = 86_400_000;

/** Images: name, version, ISO, system, label of the volume, size, and age in days. */
const IMAGES = [
  ['ubuntu', '24.04.2', 'ubuntu-24.04.2-live-server-amd64.iso', { ...SYSTEMS.ubuntu('24.04.2'), 'casper/minimal.squashfs': Buffer.alloc(90e6) }, 'Ubuntu-Server 24.04.2 LTS amd64', 3.21 * GB, 12],
  ['ubuntu', '22.04.5', 'ubuntu-22.04.5-live-server-amd64.iso', SYSTEMS.ubuntu('22.04.5'), 'Ubuntu-Server 22.04.5 LTS amd64', 2.14 * GB, 130],
  ['rocky', '9.5', 'Rocky-9.5-x86_64-dvd.iso', SYSTEMS.family('Rocky Linux', '9.5'), 'Rocky-9-5-x86_64-dvd', 11.5 * GB, 33],
  ['almalinux', '9.5', 'AlmaLinux-9.5-x86_64-dvd.iso', SYSTEMS.family('AlmaLinux', '9.5'), 'AlmaLinux-9-5-x86_64-dvd', 11.2 * GB, 3],
  ['rhel', '8.10', 'rhel-8.10-x86_64-dvd.iso', SYSTEMS.family('Red Hat Enterprise Linux', '8.10'), 'RHEL-8-10-0-BaseOS-x86_64', 13.9 * GB, 88],
  ['centos', '7.9', 'CentOS-7-x86_64-Minimal-2009.iso', SYSTEMS.family('CentOS', '7'), 'CentOS 7 x86_64', 1.02 * GB, 420],
  ['debian', '12.9', 'debian-12.9.0-amd64-DVD-1.iso', SYSTEMS.debian('12.9.0'), 'Debian 12.9.0 amd64 1', 3.99 * GB, 21],
  ['esxi', '8.0u3', 'VMware-VMvisor-Installer-8.0U3-24022510.x86_64.iso', SYSTEMS.esxi('8.0.3'), 'ESXI-8.0U3-24022510-STANDARD', 0.637 * GB, 61],
  ['photon', '5.0', 'photon-5.0-dde71ec57.x86_64.iso', SYSTEMS.photon('5.0'), 'PHOTON_5.0', 4.24 * GB, 75],
];

/** Packages, the usual content of such a tree. */
const POOL = Object.fromEntries(
  [
    'bash',
    'coreutils',
    'curl',
    'glibc',
    'grub2',
    'iproute',
    'kernel-core',
    'lvm2',
    'mdadm',
    'openssl',
    'systemd',
    'xfsprogs',
  ].flatMap((name) =>
    Array.from({ length: 20 }, (_, at) => [
      `packages/${name[0]}/${name}-${at}.pkg`,
      'package'.repeat(at * 400),
    ]),
  ),
);

const KERNELS = [
  ['vmlinuz-1.2.0-rancher', 4.1e6],
  ['initrd-1.2.0-rancher', 24.8e6],
  ['base.trusty.3.16.0-25-generic.squashfs.img', 61.4e6],
  ['discovery.overlay.cpio.gz', 8.6e6],
];

/** Digests that look real. */
const digest = (name) => createHash('sha256').update(name).digest('hex');

/** Sets it up and starts it; machines install from it and downloads run meanwhile. */
export async function dataCentre(scene) {
  const service = await scene.serve({ transferRate: 4_000_000 }, async (service) => {
    // Their bytes are mostly holes, which are never read, since their digests are known.
    await Promise.all(
      IMAGES.map(([, , name, files, label, size]) =>
        iso(service.stored(name), { ...files, ...POOL }, { label, size }),
      ),
    );
    for (const [name, size] of KERNELS) writeFileSync(service.stored(name, 'common'), Buffer.alloc(size));
    inventory(service, {
      files: [
        ...IMAGES.map(([, , name, , , , days]) => record(service, 'iso', name, days)),
        ...KERNELS.map(([name]) => record(service, 'common', name, 200)),
      ],
    });
  });
  for (const [name, version, isostore] of IMAGES) await service.register(name, version, { isostore });
  await service.stop();
  const path = `${service.folder}/inventory.json`;
  const records = JSON.parse(readFileSync(path, 'utf8'));
  const days = new Map(IMAGES.map(([name, version, , , , , days]) => [`${name} ${version}`, days]));
  for (const image of records.images) {
    image.created = image.updated = new Date(
      Date.now() - days.get(`${image.name} ${image.version}`) * DAY,
    ).toISOString();
    image.source = { kind: 'web', url: `http://mirror.example/iso/${image.iso}` };
  }
  writeFileSync(path, JSON.stringify(records));
  await service.start();

  const web = await scene.web();
  web.pace = 8e6;
  web.limit = 0.23 * GB;
  const fedora = await iso(scene.path('fedora.iso'), SYSTEMS.family('Fedora', '41'));
  await service.register('fedora', '41', {
    isoweb: web.offer('Fedora-Server-netinst-x86_64-41-1.4.iso', fedora, 0.987 * GB),
    wait: '0',
  });
  await service.register('oracle', '9.4', {
    isoweb: `${web.url}/OracleLinux-R9-U4-x86_64-dvd.iso`,
    wait: '0',
  });
  await until('the download goes on', async () =>
    (await service.get('/jobs')).some(({ progress }) => progress?.done > 0.2 * GB),
  );
  await until('the other one has failed', async () =>
    (await service.image('oracle')).status.startsWith('error'),
  );
  await Promise.all([
    fetching(service, '127.0.10.21', '/ubuntu/24.04.2/casper/minimal.squashfs'),
    fetching(service, '127.0.10.34', '/iso/Rocky-9.5-x86_64-dvd.iso'),
    fetching(service, '127.0.10.35', '/common/base.trusty.3.16.0-25-generic.squashfs.img'),
  ]);
  return service;
}

/** The record of a file with a known digest. */
export function record(service, store, name, days) {
  const path = service.stored(name, store);
  const came = Date.now() / 1000 - (days * DAY) / 1000;
  utimesSync(path, came, came);
  const verified = new Date(Date.now() - 2 * DAY).toISOString();
  return {
    shelf: store === 'iso' ? 'iso' : 'microkernel',
    name,
    identity: identity(path),
    sha256: digest(name),
    origin: { kind: 'upload' },
    verified,
  };
}

/** A machine with a slow transfer. */
async function fetching(service, address, path) {
  const asked = get(service.southbound + path, { localAddress: address });
  const [answer] = await once(asked, 'response');
  answer.on('error', () => {});
  asked.on('error', () => {});
  answer.resume();
}
