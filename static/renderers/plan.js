/** Plans and to-do lists: entries, each with its state in a mark, a word and a colour. */

import { el, icon } from '../dom.js';
import { source, withShowAll } from './fold.js';
import { jsonBlock } from './json.js';
import { inlineMarkdown } from './markdown.js';
import { inputOf } from './tool-input.js';

/** @typedef {{content: string, status: string, priority?: string | null}} Entry */

/** More than this is not a plan that one reads. */
const MAX_ENTRIES = 200;

/** What agents call the four states. @type {ReadonlyMap<string, 'done' | 'active' | 'open' | 'dropped'>} */
const STATES = new Map([
  ['completed', 'done'], ['complete', 'done'], ['done', 'done'],
  ['in_progress', 'active'], ['in-progress', 'active'], ['active', 'active'], ['running', 'active'],
  ['cancelled', 'dropped'], ['canceled', 'dropped'], ['skipped', 'dropped'], ['deleted', 'dropped'],
]);

const WORDS = { done: 'done', active: 'in progress', open: 'to do', dropped: 'dropped' };

/** @param {string | null | undefined} status */
function stateOf(status) {
  return STATES.get((status ?? '').toLowerCase()) ?? 'open';
}

/**
 * `2 of 5 done`.
 *
 * @param {Entry[]} entries
 */
export function planProgress(entries) {
  return `${entries.filter((entry) => stateOf(entry.status) === 'done').length} of ${entries.length} done`;
}

/**
 * @param {Entry[]} entries
 * @returns {HTMLElement}
 */
export function planList(entries) {
  const items = entries.slice(0, MAX_ENTRIES).map((entry) => {
    const state = stateOf(entry.status);
    const mark = el('span', { class: 'plan-mark', attrs: { role: 'img', 'aria-label': WORDS[state] }, title: WORDS[state] }, state === 'done' && icon('check'), state === 'dropped' && icon('cross'));
    const priority = entry.priority === 'high' && el('span', { class: 'plan-priority', text: 'high' });
    return el('li', { class: `plan-entry is-${state}` }, mark, el('span', { class: 'plan-text' }, inlineMarkdown(entry.content)), priority);
  });
  const rest = entries.length > MAX_ENTRIES && el('li', { class: 'plan-entry', text: `… ${entries.length - MAX_ENTRIES} more` });
  return el('ul', { class: 'plan-list' }, ...items, rest);
}

/**
 * @param {import('../protocol.js').PlanPart} part
 * @param {import('./index.js').Context} context
 */
export function renderPlan(part, context) {
  const entries = part.entries.map(({ content, status, priority }) => ({ content: String(content), status: String(status ?? ''), priority: priority ?? null }));
  const body = withShowAll(source('', part.truncated, context), (text) => [text === '' ? planList(entries) : jsonBlock(inputOf(text), { label: 'Plan' })]);
  const head = el('div', { class: 'plan-head' }, icon('list-check'), el('strong', { text: 'Plan' }), el('span', { class: 'plan-progress', text: planProgress(entries) }));
  return el('section', { class: 'part part-plan' }, head, ...body);
}
