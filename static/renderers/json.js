/** Any value for people: as short named fields where it is simple, as folded JSON otherwise. */

import { el } from '../dom.js';
import { oneLine, safeText } from '../format.js';
import { codeLines } from './code.js';
import { folded } from './fold.js';
import { plainBlock } from './lines.js';

/** A value nested deeper is not indented: the indentation alone would be larger than it. */
const INDENT_DEPTH = 60;

/**
 * @param {unknown} value
 * @returns {string}
 */
export function prettyJson(value) {
  try {
    return JSON.stringify(value, null, isDeep(value, INDENT_DEPTH) ? 0 : 2) ?? String(value);
  } catch {
    return '(nested too deeply to show)';
  }
}

/** @param {unknown} value @param {number} limit @returns {boolean} */
function isDeep(value, limit) {
  if (typeof value !== 'object' || value === null) return false;
  return limit === 0 || Object.values(value).some((each) => isDeep(each, limit - 1));
}

/**
 * @param {unknown} value
 * @param {{label?: string, limit?: number}} [options]
 */
export function jsonBlock(value, { label = 'JSON', limit = 40 } = {}) {
  return codeLines(prettyJson(value), { language: 'json', label, limit, wrap: true, class: 'block-json' });
}

/**
 * A value behind one line of itself.
 *
 * @param {string} name
 * @param {unknown} value
 */
export function foldedJson(name, value) {
  const glance = oneLine(prettyJson(value), 100);
  return folded(
    [el('span', { class: 'fold-name', text: safeText(name) }), el('span', { class: 'fold-glance', text: glance })],
    () => [jsonBlock(value)],
    { class: 'fold-json' },
  );
}

/** More fields than this are a document, not arguments. */
const MAX_FIELDS = 12;

/**
 * An object as a list of its fields, when it is small and flat enough to read so; else `null`.
 *
 * @param {unknown} value
 * @returns {HTMLElement | null}
 */
export function fieldList(value) {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  const entries = Object.entries(value);
  if (entries.length === 0 || entries.length > MAX_FIELDS) return null;
  const rows = entries.map(([name, field]) => [el('dt', { text: safeText(name.slice(0, 80)) }), el('dd', {}, fieldValue(field))]);
  return el('dl', { class: 'fields' }, ...rows.flat());
}

/** @param {unknown} value */
function fieldValue(value) {
  if (typeof value === 'string') {
    const short = value.length <= 200 && !value.includes('\n');
    return short ? el('span', { class: 'field-text', text: safeText(value) }) : plainBlock(value, { label: 'Value', limit: 12, wrap: true });
  }
  if (typeof value !== 'object' || value === null) return el('code', { class: 'field-plain', text: String(value) });
  const whole = prettyJson(value);
  return whole.length <= 120 ? el('code', { class: 'field-plain', text: safeText(oneLine(whole, 120)) }) : codeLines(whole, { language: 'json', label: 'Value', limit: 12, wrap: true });
}
