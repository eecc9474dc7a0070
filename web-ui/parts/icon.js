// The icons: a path each on a grid of 20, drawn in the colour of the text.
import { html } from './html.js';

const PATHS = {
  add: 'M10 4v12M4 10h12',
  back: 'M12 4l-6 6 6 6',
  cancel: 'M5 5l10 10M15 5L5 15',
  check: 'M4 10.5l4 4 8-9',
  close: 'M5 12l5-5 5 5',
  copy: 'M7 7V4h9v9h-3M4 7h9v9H4z',
  disc: 'M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM10 8.5a1.5 1.5 0 1 0 0 3 1.5 1.5 0 0 0 0-3z',
  download: 'M10 3v10M6 9.5l4 4 4-4M4 17h12',
  file: 'M5 3h7l3 3v11H5zM12 3v3h3',
  folder: 'M3 5h5l2 2h7v9H3z',
  link: 'M8 5H4v11h11v-4M11 4h5v5M16 4l-7 7',
  more: 'M5 8l5 5 5-5',
  open: 'M8 4l6 6-6 6',
  pause: 'M7 4v12M13 4v12',
  play: 'M6 4l10 6-10 6z',
  remove: 'M4 6h12M8 6V4h4v2M6 6l.7 11h6.6L14 6M8.5 9v5M11.5 9v5',
  retry: 'M16 10a6 6 0 1 1-1.8-4.3M16 3v4h-4',
  search: 'M9 4a5 5 0 1 0 0 10 5 5 0 0 0 0-10zM13 13l4 4',
  upload: 'M10 14V4M6 7.5l4-4 4 4M4 17h12',
  warning: 'M10 3.5L18 17H2zM10 8.5v4M10 14.5v.5',
};

/** @typedef {keyof typeof PATHS} IconName */

/**
 * An icon without a name of its own: text stands beside it, or names its button.
 * @param {{name: IconName}} props
 */
export const Icon = ({ name }) =>
  html`<svg class="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false"><path d=${PATHS[name]} /></svg>`;
