// The little Markdown that descriptions use, as elements: paragraphs, lists, `code`, links and emphasis.
import { html } from '../parts/html.js';

/** @param {{markdown: string | undefined}} props */
export function Text({ markdown }) {
  if (!markdown) return null;
  return markdown.split(/\n{2,}/).map((block, at) => {
    const lines = block.split('\n');
    if (!lines.every((line, number) => /^[*-] /.test(line) || (number > 0 && /^\s+/.test(line)))) return html`<p key=${at}><${Inline} words=${lines.join(' ')} /></p>`;
    const items = block.split(/^[*-] /m).slice(1);
    return html`<ul key=${at}>${items.map((item) => html`<li key=${item}><${Inline} words=${item.replace(/\s+/g, ' ')} /></li>`)}</ul>`;
  });
}

/** @param {{words: string}} props */
export function Inline({ words }) {
  return words.split(/(`[^`]+`|\[[^\]]+\]\([^)\s]+\)|\*\*[^*]+\*\*)/).map((part, at) => {
    if (part.startsWith('`')) return html`<code key=${at}>${part.slice(1, -1)}</code>`;
    if (part.startsWith('**')) return html`<strong key=${at}>${part.slice(2, -2)}</strong>`;
    const link = part.match(/^\[([^\]]+)\]\((https?:\/\/[^)\s]+|#[^)\s]+)\)$/);
    return link ? html`<a key=${at} href=${link[2]} rel="noreferrer">${link[1]}</a>` : part;
  });
}
