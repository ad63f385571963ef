/** Tools whose answer is prose: pages fetched, web searches, sub-agents. */

import { el, link } from '../dom.js';
import { oneLine, safeText } from '../format.js';
import { folded, withShowAll } from './fold.js';
import { answerNode } from './generic-tool.js';
import { markdown, unmarked } from './markdown.js';
import { inputOf, resultSource, textField } from './tool-input.js';

/** Answers longer than this begin folded to it. */
const GLANCE_CHARS = 1500;

/** @param {import('./tool-input.js').Call} call */
function answer({ results, context }) {
  if (results.length === 0) return [];
  return withShowAll(resultSource(results, context), (text) => {
    if (text.trim() === '') return [el('p', { class: 'empty-output', text: 'no answer' })];
    if (text.length <= GLANCE_CHARS && typeof inputOf(text) === 'object') return [answerNode(text)];
    if (text.length <= GLANCE_CHARS) return [markdown(text, { class: 'tool-prose', breaks: false })];
    return [folded([el('span', { class: 'fold-name', text: 'Answer' }), el('span', { class: 'fold-glance', text: oneLine(unmarked(text.slice(0, 600)), 120) })], () => [markdown(text, { class: 'tool-prose', breaks: false })], { class: 'fold-answer' })];
  });
}

/** The address or the words that were asked for. @param {unknown} input */
export function askedOf(input) {
  return textField(input, 'url', 'uri', 'query', 'prompt');
}

/** @type {import('./tool-input.js').Look} */
export const fetch = {
  icon: 'globe',
  summary: ({ input }) => oneLine(askedOf(input) ?? '', 120),
  body: (call) => {
    const url = textField(call.input, 'url', 'uri');
    const prompt = textField(call.input, 'prompt');
    return [
      url && el('p', { class: 'tool-address' }, link(url, safeText(oneLine(url, 300)))),
      prompt && el('p', { class: 'tool-note', text: safeText(prompt) }),
      ...answer(call),
    ];
  },
};

/** @type {import('./tool-input.js').Look} */
export const subagent = {
  icon: 'agent',
  summary: ({ input }) => oneLine([textField(input, 'subagent_type', 'agent'), textField(input, 'description', 'title', 'name')].filter(Boolean).join(': '), 120),
  body: (call) => {
    const prompt = textField(call.input, 'prompt', 'message', 'instructions', 'task');
    return [
      prompt && folded([el('span', { class: 'fold-name', text: 'Prompt' }), el('span', { class: 'fold-glance', text: oneLine(unmarked(prompt.slice(0, 600)), 120) })], () => [markdown(prompt, { class: 'tool-prose' })], { class: 'fold-answer' }),
      ...answer(call),
    ];
  },
};
