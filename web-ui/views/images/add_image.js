// The dialog that registers an image, from each of the four sources. It shows the curl command that does the
// same.
import { useMemo, useState } from 'preact/hooks';
import * as api from '../../lib/api.js';
import { decoded, size } from '../../lib/format.js';
import { southbound, state } from '../../lib/image.js';
import { files, images, learn } from '../../lib/live.js';
import { complaint, suggestion } from '../../lib/names.js';
import { adjust, go, route } from '../../lib/route.js';
import { say, tell } from '../../parts/announce.js';
import { Caution } from '../../parts/caution.js';
import { Code } from '../../parts/copy.js';
import { Dialog } from '../../parts/dialog.js';
import { Field } from '../../parts/field.js';
import { html } from '../../parts/html.js';
import { Icon } from '../../parts/icon.js';
import { PickFile } from '../../parts/pick_file.js';
import { text } from '../../text.js';
import { upload } from '../../uploads/queue.js';

/** @import {Image} from '../../types' */
/** @import {Picked} from '../../uploads/queue.js' */

const SOURCES = /** @type {const} */ (['web', 'store', 'upload', 'local']);
const TREES = /** @type {const} */ (['rockridge', 'udf', 'joliet', 'enhanced', 'plain']);

/** @typedef {(typeof SOURCES)[number]} Source */

/** The parameter of the API for each field. @type {Record<string, string>} */
const FIELD_OF = { isoweb: 'link', isostore: 'iso', isolocal: 'path', isoclient: 'file' };

/** Fields that are hidden at first. */
const HIDDEN = ['sha256', 'checksum', 'tree'];

/** The dialog may be higher than the window. @param {Element | null} element */
const intoView = (element) => element?.scrollIntoView({ block: 'nearest' });

/** The last part of a link or a path. @param {string} path */
const baseName = (path) => decoded(path.replace(/[?#].*$/, '').split('/').pop() ?? '');

/** The values with which an image in error was registered. @param {Image | undefined} image */
function before(image) {
  const [iso, link] = [image?.iso ?? '', image?.url ?? ''];
  return { name: image?.name ?? '', version: image?.version ?? '', iso, link, mirrors: image?.mirrors?.join('\n') ?? '', checksum: image?.checksum ?? '' };
}

export function AddImage() {
  const { query } = route.value;
  const asked = query.get('add');
  const source = /** @type {Source} */ (SOURCES.find((one) => one === asked) ?? 'web');
  const first = useMemo(() => before(images.value.get(query.get('image') ?? '')), []);
  const [entered, setEntered] = useState({ ...first, iso: query.get('iso') ?? first.iso, path: '', sha256: '', tree: '' });
  const [picked, setPicked] = useState(/** @type {Picked | null} */ (null));
  const [typed, setTyped] = useState({ name: Boolean(first.name), version: Boolean(first.version) });
  const [isOpen, setOpen] = useState(Boolean(first.mirrors || first.checksum));
  const [isSent, setSent] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState(/** @type {{field: string, words: string} | null} */ (null));

  const close = () => adjust({ add: null, image: null, iso: null });
  /** @param {Partial<typeof entered>} change */
  const enter = (change) => (setRefusal(null), setEntered((before) => ({ ...before, ...change })));

  const file = { web: baseName(entered.link), store: entered.iso, upload: picked?.file.name ?? '', local: baseName(entered.path) }[source];
  const guess = useMemo(() => suggestion(file), [file]);
  // The name of a file suggests values, which stand in the fields until the user types there.
  const [name, version] = [typed.name ? entered.name : guess.name, typed.version ? entered.version : guess.version];
  const others = [...images.value.values()];
  const existing = others.find((image) => image.name === name && image.version === version);
  const { add } = text;

  const isos = [...files.iso.value.values()];
  /** @type {Record<string, string>} */
  const wrong = {
    link: source === 'web' && !/^(https?|ftp):\/\/[^/\s]/i.test(entered.link.trim()) ? add.linkWrong : '',
    iso: source === 'store' && !files.iso.value.has(entered.iso) ? add.isoWrong : '',
    file: source === 'upload' ? (picked ? complaint(picked.file.name) : add.fileWrong) : '',
    path: source === 'local' && !entered.path.startsWith('/') ? add.pathWrong : '',
    name: complaint(name, { reserved: true }),
    version: complaint(version) || (existing && state(existing) !== 'failed' ? add.taken(`${name} ${version}`) : ''),
    sha256: entered.sha256 && !/^[0-9a-f]{64}$/i.test(entered.sha256.trim()) ? add.digestWrong : '',
    checksum: entered.checksum && !/^(https?|ftp):\/\/[^/\s]/i.test(entered.checksum.trim()) ? add.linkWrong : '',
  };
  /** @param {string} field */
  const complaintOf = (field) => (refusal?.field === field ? refusal.words : wrong[field]);
  /** @param {string} field */
  const isShown = (field) => isSent || refusal?.field === field || (field === 'version' && Boolean(existing));

  const parameters = {
    name,
    version,
    ...{
      web: { isoweb: [entered.link.trim(), ...entered.mirrors.split(/\s+/)].filter(Boolean) },
      store: { isostore: entered.iso },
      upload: { isoclient: picked?.file.name ?? '' },
      local: { isolocal: entered.path },
    }[source],
    sha256: entered.sha256.trim().toLowerCase(),
    checksum: entered.checksum.trim(),
    tree: entered.tree,
  };

  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setSent(true);
    const form = /** @type {HTMLFormElement} */ (event.currentTarget);
    if (Object.values(wrong).some(Boolean)) {
      if (HIDDEN.some((field) => wrong[field])) setOpen(true);
      // The focus goes to the first marked field once it is drawn, for users who cannot see the mark.
      setTimeout(() => /** @type {HTMLElement | null} */ (form.querySelector('[aria-invalid=true]'))?.focus());
      return;
    }
    if (source === 'upload' && picked) {
      const { sha256, checksum, tree } = parameters;
      upload(picked, { store: 'iso', sha256, image: { name, version, tree, checksum } });
      // The list of uploads shows it.
      say(add.uploading(`${name} ${version}`));
      go(['files']);
      return;
    }
    setBusy(true);
    try {
      const image = await api.request('PUT', 'images', parameters);
      tell(add.added(`${name} ${version}`), `${name} ${version}`);
      learn(image);
      go(['images', image.id]);
    } catch (error) {
      const { message, parameter = '' } = /** @type {api.ApiError} */ (error);
      if (HIDDEN.includes(parameter)) setOpen(true);
      setRefusal({ field: FIELD_OF[parameter] ?? (parameter in wrong ? parameter : ''), words: message.replace(/^`\w+`: /, '') });
    } finally {
      setBusy(false);
    }
  };

  /** @param {string} field @param {keyof typeof entered} key */
  const bind = (field, key) => ({ value: entered[key], complaint: complaintOf(field), showNow: isShown(field), onInput: (/** @type {string} */ value) => enter({ [key]: value }) });
  const target = name && version ? southbound(`/${api.path(name, version)}/`) : '';

  return html`
    <${Dialog} title=${add.title} onClose=${close} wide>
      <form onSubmit=${submit} noValidate>
        <fieldset class="sources">
          <legend>${add.source}</legend>
          ${SOURCES.map(
            (one) => html`
              <label key=${one} class=${one === source ? 'source chosen' : 'source'}>
                <input type="radio" name="source" value=${one} checked=${one === source} onChange=${() => (setRefusal(null), adjust({ add: one }))} />
                <span class="first">${add.sources[one][0]}</span>
              </label>
            `,
          )}
        </fieldset>
        <p class="hint" aria-live="polite">${add.sources[source][1]}</p>
        ${source === 'web' && html`<${Field} key="link" label=${add.link} ...${bind('link', 'link')} placeholder="https://…/linux.iso" type="url" hint=${add.linkHint} focus />`}
        ${
          source === 'store' &&
          (isos.length > 0
            ? html`<${Field} key="iso" label=${add.iso} ...${bind('iso', 'iso')} list=${isos.map((one) => one.name)}
                hint=${files.iso.value.has(entered.iso) && size(files.iso.value.get(entered.iso)?.bytes ?? 0)} focus />`
            : html`<p class="nothing">${add.noIsos}</p>`)
        }
        ${source === 'upload' && html`<${PickFile} picked=${picked} onPick=${(/** @type {Picked} */ one) => (setRefusal(null), setPicked(one))} complaint=${isSent || picked ? complaintOf('file') : ''} />`}
        ${source === 'local' && html`<${Field} key="path" label=${add.path} ...${bind('path', 'path')} placeholder="/srv/iso/linux.iso" mono focus />`}
        <div class="pairs">
          <${Field} label=${add.name} value=${name} complaint=${complaintOf('name')} showNow=${isShown('name')} hint=${add.nameHint} list=${[...new Set(others.map((image) => image.name))]}
            onInput=${(/** @type {string} */ value) => (setTyped({ ...typed, name: true }), enter({ name: value }))} />
          <${Field} label=${add.version} value=${version} complaint=${complaintOf('version')} showNow=${isShown('version')}
            hint=${existing && state(existing) === 'failed' ? add.replaces(`${name} ${version}`) : add.versionHint}
            onInput=${(/** @type {string} */ value) => (setTyped({ ...typed, version: true }), enter({ version: value }))} />
        </div>
        <p class="target">${target && html`<span class="dim">${add.result}</span> <code>${target}</code>`}</p>
        ${target && html`<${Caution} />`}
        <details open=${isOpen} onToggle=${(/** @type {any} */ event) => setOpen(event.currentTarget.open)}>
          <summary>${add.more}</summary>
          <${Field} label=${add.digest} optional=${add.optional} ...${bind('sha256', 'sha256')} mono />
          <${Field} label=${add.checksum} optional=${add.optional} ...${bind('checksum', 'checksum')} type="url" hint=${add.checksumHint} />
          ${
            source === 'web' &&
            html`<div class="field"><label for="mirrors">${add.mirrors} <span class="dim">${add.optional}</span></label>
              <textarea id="mirrors" rows="2" value=${entered.mirrors} onInput=${(/** @type {any} */ event) => enter({ mirrors: event.currentTarget.value })}></textarea>
              <p class="hint">${add.mirrorsHint}</p></div>`
          }
          <div class="field"><label for="names">${add.tree}</label>
            <select id="names" value=${entered.tree} onChange=${(/** @type {any} */ event) => enter({ tree: event.currentTarget.value })}>
              <option value="">${add.treeBest}</option>
              ${TREES.map((one) => html`<option key=${one} value=${one}>${text.image.trees[one]}</option>`)}
            </select></div>
        </details>
        <details><summary>${add.curl}</summary><${Code} value=${curl(parameters, picked)} what=${add.curl} /></details>
        ${refusal && !wrong[refusal.field] && !(refusal.field in wrong) && html`<p class="wrong" role="alert" ref=${intoView}><${Icon} name="warning" />${refusal.words}</p>`}
        <footer>
          <span class="dim" role="status">${isBusy && add.working}</span>
          <button type="button" onClick=${close}>${text.cancel}</button>
          <button type="submit" class="primary solid" disabled=${isBusy}>${add.submit[source]}</button>
        </footer>
      </form>
    <//>
  `;
}

/** The command that does the same. @param {Record<string, any>} parameters @param {Picked | null} picked */
function curl(parameters, picked) {
  const quoted = (/** @type {string} */ words) => `'${words.replaceAll("'", `'\\''`)}'`;
  const url = quoted(api.url('images', parameters).href);
  return parameters.isoclient === undefined ? `curl -X PUT ${url}` : `curl -T ${quoted(picked?.file.name ?? 'linux.iso')} ${url}`;
}
