/** Reading what a tool was asked and what it answered, whatever agent wrote it: nothing here trusts a shape. */

import { joined, source } from './fold.js';

/** @typedef {import('../protocol.js').Part} Part */
/** @typedef {import('../protocol.js').ToolCallPart} ToolCallPart */
/** @typedef {import('../protocol.js').ToolResultPart} ToolResultPart */
/** @typedef {import('./index.js').Context} Context */

/**
 * A call with what is known of its outcome so far.
 *
 * @typedef {Object} Call
 * @property {ToolCallPart} part
 * @property {unknown} input  an object where the agent wrote one, or JSON of one
 * @property {ToolResultPart[]} results
 * @property {import('./index.js').Place} place
 * @property {Context} context
 */

/**
 * How calls of one kind of tool are shown.
 *
 * @typedef {Object} Look
 * @property {import('../dom.js').IconName} icon
 * @property {(call: Call) => string} summary  beside the tool's name, in one line
 * @property {(call: Call) => {text: string, class?: string}[]} [badges]
 * @property {(call: Call) => import('../dom.js').Child[]} body
 * @property {(part: Part) => boolean} [holds]  whether a part of the result that is no text is in the body already
 */

/**
 * A tool's input as an object where it is one, also when it comes as JSON in a string.
 *
 * @param {unknown} input
 * @returns {unknown}
 */
export function inputOf(input) {
  if (typeof input !== 'string' || !/^\s*[{[]/.test(input)) return input;
  try {
    return JSON.parse(input);
  } catch {
    return input;
  }
}

/**
 * The first of these fields that the value has itself.
 *
 * @param {unknown} value
 * @param {...string} names
 * @returns {unknown}
 */
export function field(value, ...names) {
  if (typeof value !== 'object' || value === null) return undefined;
  for (const name of names) if (Object.hasOwn(value, name)) return /** @type {Record<string, unknown>} */ (value)[name];
  return undefined;
}

/**
 * The first of these fields that is a text.
 *
 * @param {unknown} value
 * @param {...string} names
 * @returns {string | null}
 */
export function textField(value, ...names) {
  for (const name of names) {
    const found = field(value, name);
    if (typeof found === 'string') return found;
  }
  return null;
}

/**
 * The first of these fields that is a whole number.
 *
 * @param {unknown} value
 * @param {...string} names
 * @returns {number | null}
 */
export function numberField(value, ...names) {
  const found = field(value, ...names);
  return typeof found === 'number' && Number.isSafeInteger(found) ? found : null;
}

/** The file that a tool was asked about. @param {unknown} input */
export function pathOf(input) {
  return textField(input, 'file_path', 'filePath', 'path', 'notebook_path', 'target_file', 'absolute_path', 'relative_path', 'filename', 'file');
}

/** A path that fits a line: its end is what one reads. @param {string} path @param {number} [limit] */
export function shortPath(path, limit = 80) {
  return path.length <= limit ? path : `…${path.slice(path.length - limit + 1)}`;
}

/**
 * All text of a call's results, and where the rest of it is.
 *
 * @param {ToolResultPart[]} results
 * @param {Context} context
 */
export function resultSource(results, context) {
  const parts = results.flatMap((result) => [...result.output.filter(hasText), ...(result.truncated ? [result] : [])]);
  return joined(parts.map((part) => source('text' in part && typeof part.text === 'string' ? part.text : '', part.truncated, context)));
}

/** The text of the results as far as it came along. @param {ToolResultPart[]} results */
export function resultText(results) {
  return results.flatMap((result) => result.output.filter(hasText)).map((part) => ('text' in part ? String(part.text ?? '') : '')).join('\n');
}

/** What in the results is no text: images, resources, unknown parts. @param {ToolResultPart[]} results */
export function otherParts(results) {
  return results.flatMap((result) => result.output.filter((part) => !hasText(part)));
}

/** @param {Part} part */
function hasText(part) {
  return (part.type === 'text' || part.type === 'code') && typeof part.text === 'string';
}

/** Whether any of them failed. @param {ToolResultPart[]} results */
export function failed(results) {
  return results.some((result) => result.is_error === true);
}
