/** Files that were read: their lines with their numbers, highlighted. */

import { count } from '../format.js';
import { codeLines, languageOfPath } from './code.js';
import { withShowAll } from './fold.js';
import { splitLines } from './lines.js';
import { terminalOutput } from './terminal.js';
import { failed, numberField, pathOf, resultSource, resultText, shortPath } from './tool-input.js';

const CLIP_LINES = 20;

/**
 * The text of a file from a tool's numbered lines (`cat -n`, `12→text`); what is not numbered is left as it is, and
 * a reminder that an agent adds after the lines is given apart.
 *
 * @param {string} text
 * @returns {{text: string, start: number | null, after: string}}
 */
export function unnumbered(text) {
  const all = splitLines(text.replace(/^<(?:file|content)>\n|^Here's the result of running `cat -n` on .*:\n|\n<\/(?:file|content)>\s*$/g, ''));
  /** @type {string[]} */
  const lines = [];
  let start = /** @type {number | null} */ (null);
  for (const line of all) {
    const found = /^\s*(\d{1,7})(?:→|\t|\| )(.*)$/.exec(line);
    if (!found || (start !== null && Number(found[1]) !== start + lines.length)) break;
    start ??= Number(found[1]);
    lines.push(found[2] ?? '');
  }
  if (start === null) return { text, start: null, after: '' };
  return { text: `${lines.join('\n')}\n`, start, after: all.slice(lines.length).join('\n').trim() };
}

/** @type {import('./tool-input.js').Look} */
export const fileRead = {
  icon: 'file',
  summary: ({ input }) => shortPath(pathOf(input) ?? ''),
  badges: ({ input, results }) => {
    const [offset, limit] = [numberField(input, 'offset', 'start_line'), numberField(input, 'limit', 'end_line')];
    const range = offset !== null || limit !== null ? [{ text: `from line ${offset ?? 1}` }] : [];
    const text = failed(results) ? '' : resultText(results);
    return [...range, ...(text === '' ? [] : [{ text: count(splitLines(unnumbered(text).text).length, 'line') }])];
  },
  body: ({ input, results, context }) => {
    if (results.length === 0) return [];
    return withShowAll(resultSource(results, context), (text) => {
      if (failed(results) || text.trim() === '') return text.trim() === '' ? [] : [terminalOutput(text.replace(/<\/?tool_use_error>/g, ''), { limit: 12, label: 'Error' })];
      const file = unnumbered(text);
      const code = codeLines(file.text, {
        language: languageOfPath(pathOf(input)), label: 'File', limit: CLIP_LINES, numbers: file.start !== null, start: file.start ?? 1, class: 'block-file',
      });
      return [code, file.after !== '' && !file.after.startsWith('<system-reminder>') && terminalOutput(file.after, { limit: 8 })];
    });
  },
};
