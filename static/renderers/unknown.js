/** Whatever this page does not know: its name, and all of it as folded JSON. Nothing is lost, nothing breaks. */

import { el } from '../dom.js';
import { source, withShowAll } from './fold.js';
import { foldedJson } from './json.js';
import { inputOf } from './tool-input.js';

/**
 * @param {unknown} part  a part of an unknown or broken kind
 * @param {import('./index.js').Context} context
 */
export function renderUnknown(part, context) {
  const known = typeof part === 'object' && part !== null;
  const raw = known && 'type' in part && part.type === 'unknown' && 'raw' in part ? part.raw : part;
  const type = typeof raw === 'object' && raw !== null && 'type' in raw && typeof raw.type === 'string' ? raw.type.slice(0, 60) : 'unknown part';
  const cut = known && 'truncated' in part ? /** @type {import('../protocol.js').Truncated} */ (part.truncated) : null;
  const node = el('div', { class: 'part part-unknown' }, foldedJson(type, raw));
  if (cut && typeof cut.href === 'string') {
    node.append(...withShowAll(source('', cut, context), (text) => [text !== '' && foldedJson(`${type}, whole`, inputOf(text))]).filter((child) => child instanceof Node));
  }
  return node;
}
