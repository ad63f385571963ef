/** Tools of no known kind: what they were asked as fields or JSON, what they answered as text or JSON. */

import { el } from '../dom.js';
import { oneLine } from '../format.js';
import { withShowAll } from './fold.js';
import { fieldList, jsonBlock, prettyJson } from './json.js';
import { plainBlock } from './lines.js';
import { markdown } from './markdown.js';
import { terminalOutput } from './terminal.js';
import { resultSource, textField } from './tool-input.js';

const CLIP_LINES = 24;
const JSON_CHARS = 200_000;
/** Fields that say in a few words what a call is about, the first one found. */
const TELLING = ['title', 'description', 'subject', 'name', 'query', 'question', 'command', 'path', 'file_path', 'url', 'prompt', 'message', 'text', 'skill'];

/** @type {import('./tool-input.js').Look} */
export const generic = {
  icon: 'tool',
  summary: ({ part, input }) => {
    if (part.title && part.title !== part.name) return oneLine(part.title, 120);
    if (typeof input === 'string') return oneLine(input, 100);
    if (typeof input !== 'object' || input === null) return '';
    const told = textField(input, ...TELLING) ?? Object.values(input).find((value) => typeof value === 'string' && value.trim() !== '');
    return typeof told === 'string' ? oneLine(told, 100) : '';
  },
  body: ({ input, results, context }) => [
    ...inputNode(input),
    ...(results.length > 0 ? withShowAll(resultSource(results, context), (text) => [answerNode(text)]) : []),
  ],
};

/** @param {unknown} input */
function inputNode(input) {
  if (input === null || input === undefined || (typeof input === 'object' && Object.keys(input).length === 0)) return [];
  if (typeof input === 'string') return [plainBlock(input, { label: 'Input', limit: CLIP_LINES, wrap: true })];
  return [fieldList(input) ?? jsonBlock(input, { label: 'Input', limit: CLIP_LINES })];
}

/** @param {string} text */
export function answerNode(text) {
  const trimmed = text.trim();
  if (trimmed === '') return el('p', { class: 'empty-output', text: 'no output' });
  if (/^[{[]/.test(trimmed) && trimmed.length < JSON_CHARS) {
    try {
      return jsonBlock(JSON.parse(trimmed), { label: 'Result', limit: CLIP_LINES });
    } catch {
      // Only looks like JSON.
    }
  }
  return terminalOutput(text, { limit: CLIP_LINES, label: 'Result' });
}

/** A plan that an agent proposes before it begins. @type {import('./tool-input.js').Look} */
export const proposal = {
  icon: 'plan',
  summary: () => '',
  body: ({ input, results, context }) => {
    const plan = typeof input === 'object' && input !== null && 'plan' in input && typeof input.plan === 'string' ? input.plan : prettyJson(input);
    return [markdown(plan, { class: 'tool-prose' }), ...(results.length > 0 ? withShowAll(resultSource(results, context), (text) => [answerNode(text)]) : [])];
  },
};
