/** Whatever this page does not know: its name, and all of it as folded JSON. Nothing is lost, nothing breaks. */

import { el } from '../dom.js';
import { foldedJson } from './json.js';

/**
 * @param {unknown} part  a part of an unknown or broken kind
 */
export function renderUnknown(part) {
  const known = typeof part === 'object' && part !== null;
  const raw = known && 'type' in part && part.type === 'unknown' && 'raw' in part ? part.raw : part;
  const type = typeof raw === 'object' && raw !== null && 'type' in raw && typeof raw.type === 'string' ? raw.type.slice(0, 60) : 'unknown part';
  return el('div', { class: 'part part-unknown' }, foldedJson(type, raw));
}
