// How machines install from an image: the URL, and what RackHD and iPXE want to be told.
import { useId, useState } from 'preact/hooks';
import { fileUrl, repository, southbound, state } from '../../lib/image.js';
import { useKernel } from '../../lib/kernel.js';
import * as storage from '../../lib/storage.js';
import { Caution } from '../../parts/caution.js';
import { Code, Copy } from '../../parts/copy.js';
import { html } from '../../parts/html.js';
import { text } from '../../text.js';

/** @import {Image} from '../../types' */

/** RackHD's workflows, and the systems that they install. @type {[string, string[]][]} */
const WORKFLOWS = [
  ['Graph.InstallCentOS', ['centos', 'rocky', 'almalinux', 'fedora', 'openeuler', 'oracle', 'ol']],
  ['Graph.InstallRHEL', ['rhel']],
  ['Graph.InstallUbuntu', ['ubuntu']],
  ['Graph.InstallDebian', ['debian', 'kali']],
  ['Graph.InstallSUSE', ['suse', 'opensuse', 'sles']],
  ['Graph.InstallESXi', ['esxi']],
  ['Graph.InstallPhotonOS', ['photon']],
  ['Graph.InstallWindowsServer', ['windows']],
];

/** A workflow that is not in the list: then only its options can be told. */
const OTHER = 'other';

/** What kernels of a family want to be told, to find the rest of their system. @type {[string[], (url: string, iso: string) => string][]} */
const PARAMETERS = [
  [['centos', 'rocky', 'almalinux', 'fedora', 'oracle', 'ol', 'rhel', 'openeuler'], (url) => ` inst.repo=${url}`],
  [['suse', 'opensuse', 'sles'], (url) => ` install=${url}`],
  [['ubuntu'], (_, iso) => ` ip=dhcp url=${iso}`],
];

/** The ways to install, and the one that was chosen last in this browser. */
const WAYS = /** @type {const} */ (['ipxe', 'disc', 'rackhd']);
const KEPT = 'image-service.boot';

/** @param {Image} image */
function workflowOf(image) {
  const [family, name] = [image.system?.family ?? '', image.name.toLowerCase()];
  const found = WORKFLOWS.find(([, systems]) => systems.includes(family)) ?? WORKFLOWS.find(([, systems]) => systems.some((system) => system.length > 2 && name.includes(system)));
  return found?.[0] ?? OTHER;
}

/** @param {{image: Image}} props */
export function Boot({ image }) {
  const [way, setWay] = useState(() => WAYS.find((one) => one === storage.read(KEPT)) ?? WAYS[0]);
  const url = repository(image);
  const words = text.image;
  const choose = (/** @type {typeof way} */ one) => (setWay(one), storage.write(KEPT, one));
  return html`
    <section aria-labelledby="boot" class="boot">
      <h2 id="boot">${words.boot}</h2>
      <p class="url"><a href=${`${url}/`} target="_blank" rel="noreferrer"><code>${url}</code></a><${Copy} value=${url} what=${words.url} labelled /></p>
      <${Caution} />
      <p class="dim">${state(image) === 'ready' ? words.bootHint : words.notYet}</p>
      <div class="chips" role="group" aria-label=${words.boot}>
        ${WAYS.map((one) => html`<button key=${one} type="button" class="chip" aria-pressed=${way === one} onClick=${() => choose(one)}>${words.ways[one]}</button>`)}
      </div>
      ${way === 'ipxe' && html`<${Ipxe} image=${image} />`}
      ${way === 'disc' && html`<${Code} value=${`#!ipxe\nsanboot --no-describe ${fileUrl('iso', image.iso)}`} what=${words.script} /><p class="dim">${words.discHint}</p>`}
      ${way === 'rackhd' && html`<${Rackhd} image=${image} />`}
    </section>
  `;
}

/** The script that starts the kernel. @param {{image: Image}} props */
function Ipxe({ image }) {
  const found = useKernel(image);
  const words = text.image;
  if (found === null) return html`<p class="dim">${state(image) === 'ready' ? words.noKernel : words.kernelLater}</p>`;
  const [, parameters] = PARAMETERS.find(([families]) => families.includes(image.system?.family ?? '')) ?? [];
  const at = (/** @type {string} */ path) => southbound(image.path + path);
  const rest = parameters?.(repository(image), fileUrl('iso', image.iso)) ?? '';
  const script = found && `#!ipxe\nkernel ${at(found.kernel)} initrd=${found.initrd.split('/').pop()}${rest}\ninitrd ${at(found.initrd)}\nboot`;
  return html`<div class="script"><${Code} value=${script ?? text.loading} what=${words.script} /></div><p class="dim">${words.scriptHint}</p>`;
}

/** What RackHD is to be told. @param {{image: Image}} props */
function Rackhd({ image }) {
  const [chosen, setChosen] = useState('');
  const select = useId();
  const workflow = chosen || workflowOf(image);
  const payload = JSON.stringify({ name: workflow === OTHER ? undefined : workflow, options: { defaults: { version: image.version, repo: repository(image) } } }, null, 2);
  return html`
    <div class="inline"><label for=${select}>${text.image.workflow}</label>
      <select id=${select} value=${workflow} onChange=${(/** @type {any} */ event) => setChosen(event.currentTarget.value)}>
        ${WORKFLOWS.map(([name]) => html`<option key=${name} value=${name}>${name}</option>`)}
        <option value=${OTHER}>${text.image.other}</option>
      </select></div>
    <${Code} value=${payload} what=${text.image.payload} />
    <p class="dim">${text.image.payloadHint}</p>
  `;
}
