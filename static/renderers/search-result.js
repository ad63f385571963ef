/** Searches in files: what was looked for, and where it was found. */

import { el } from '../dom.js';
import { count, oneLine } from '../format.js';
import { withShowAll } from './fold.js';
import { block, splitLines } from './lines.js';
import { terminalOutput } from './terminal.js';
import { pathOf, resultSource, resultText, shortPath, textField } from './tool-input.js';

const CLIP_LINES = 14;

/** What was looked for. @param {unknown} input */
function pattern(input) {
  return textField(input, 'pattern', 'query', 'glob_pattern', 'regex', 'glob', 'search', 'q');
}

/** One line of a result, its file and line number told apart: `src/a.py:12:  found`. @param {string} line @returns {import('./lines.js').Line} */
export function hitLine(line) {
  const found = line.length < 2000 ? /^((?:[A-Za-z]:)?[^:\s][^:]{0,300})([:-])(\d{1,7})([:-])(.*)$/.exec(line) : null;
  if (!found) return { runs: [{ text: line, ...(/^\.{0,2}[\w./\\@-]+\.\w{1,8}$/.test(line) && { class: 'hit-path' }) }] };
  return { runs: [{ text: found[1] ?? '', class: 'hit-path' }, { text: `:${found[3] ?? ''} `, class: 'hit-number' }, { text: (found[5] ?? '').trimStart() }] };
}

/** @type {import('./tool-input.js').Look} */
export const search = {
  icon: 'search',
  summary: ({ input }) => {
    const [what, where] = [pattern(input), pathOf(input)];
    return oneLine([what, what !== null && where ? `in ${shortPath(where, 50)}` : where].filter(Boolean).join(' '), 120);
  },
  badges: ({ results }) => {
    const text = resultText(results);
    return text.trim() === '' ? [] : [{ text: count(splitLines(text).length, 'line') }];
  },
  body: ({ results, context }) => {
    if (results.length === 0) return [];
    return withShowAll(resultSource(results, context), (text) => {
      if (text.trim() === '') return [el('p', { class: 'empty-output', text: 'nothing found' })];
      if (text.includes('\u001b')) return [terminalOutput(text, { limit: CLIP_LINES, label: 'Found' })]; // it has its own colours
      const lines = splitLines(text);
      return [block({ label: 'Found', limit: CLIP_LINES, count: lines.length, class: 'block-hits', lines: (from, to) => lines.slice(from, to).map(hitLine) })];
    });
  },
};
