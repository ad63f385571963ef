/** A file or other thing that was attached to a message: its address, and its text where that came along. */

import { el, icon, link } from '../dom.js';
import { safeText } from '../format.js';
import { codeLines, languageNamed, languageOfPath } from './code.js';
import { source, withShowAll } from './fold.js';
import { markdown } from './markdown.js';

/**
 * @param {import('../protocol.js').ResourcePart} part
 * @param {import('./index.js').Context} context
 */
export function renderResource(part, context) {
  const path = part.uri.replace(/^file:\/\//i, '');
  const head = el(
    'div', { class: 'resource-head' }, icon('file'),
    /^https?:/i.test(part.uri) ? link(part.uri, safeText(part.uri)) : el('span', { class: 'path', text: safeText(path) }),
    part.mime_type && el('span', { class: 'resource-type', text: safeText(part.mime_type) }),
  );
  const body = typeof part.text === 'string' && (part.text !== '' || part.truncated)
    ? withShowAll(source(part.text, part.truncated, context), (text) => [resourceText(text, path, part.mime_type ?? '')])
    : [];
  return el('section', { class: 'part part-resource' }, head, ...body);
}

/** @param {string} text @param {string} path @param {string} type */
function resourceText(text, path, type) {
  if (type === 'text/markdown') return markdown(text);
  const language = languageOfPath(path) ?? languageNamed(type.split(/[/+]/).pop());
  return codeLines(text, { language, label: 'Attached text', limit: 16 });
}
