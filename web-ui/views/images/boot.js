// How machines install from an image: the URL, and what RackHD and iPXE want to be told.
import { useId, useState } from 'preact/hooks';
import { fileUrl, repository, state } from '../../lib/image.js';
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

/** @param {Image} image */
function workflowOf(image) {
  const [family, name] = [image.system?.family ?? '', image.name.toLowerCase()];
  const found = WORKFLOWS.find(([, systems]) => systems.includes(family)) ?? WORKFLOWS.find(([, systems]) => systems.some((system) => system.length > 2 && name.includes(system)));
  return found?.[0] ?? OTHER;
}

/** @param {{image: Image}} props */
export function Boot({ image }) {
  const [chosen, setChosen] = useState('');
  const [tab, setTab] = useState(/** @type {'rackhd' | 'ipxe'} */ ('rackhd'));
  const select = useId();
  const url = repository(image);
  const workflow = chosen || workflowOf(image);
  const payload = JSON.stringify({ name: workflow === OTHER ? undefined : workflow, options: { defaults: { version: image.version, repo: url } } }, null, 2);
  const script = `#!ipxe\nsanboot --no-describe ${fileUrl('iso', image.iso)}`;
  return html`
    <section aria-labelledby="boot" class="boot">
      <h2 id="boot">${text.image.boot}</h2>
      <p class="url"><a href=${`${url}/`} target="_blank" rel="noreferrer"><code>${url}</code></a><${Copy} value=${url} what=${text.image.url} labelled /></p>
      <p class="dim">${state(image) === 'ready' ? text.image.bootHint : text.image.notYet}</p>
      <div class="chips" role="group" aria-label=${text.image.boot}>
        ${/** @type {const} */ (['rackhd', 'ipxe']).map((one) => html`<button key=${one} type="button" class="chip" aria-pressed=${tab === one} onClick=${() => setTab(one)}>${text.image[one]}</button>`)}
      </div>
      ${
        tab === 'rackhd'
          ? html`
              <div class="inline"><label for=${select}>${text.image.workflow}</label>
                <select id=${select} value=${workflow} onChange=${(/** @type {any} */ event) => setChosen(event.currentTarget.value)}>
                  ${WORKFLOWS.map(([name]) => html`<option key=${name} value=${name}>${name}</option>`)}
                  <option value=${OTHER}>${text.image.other}</option>
                </select></div>
              <${Code} value=${payload} what=${text.image.payload} />
              <p class="dim">${text.image.payloadHint}</p>
            `
          : html`<${Code} value=${script} what=${text.image.ipxe} />
              <p class="dim">${text.image.ipxeHint}</p>`
      }
    </section>
  `;
}
