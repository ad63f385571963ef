/** Plans and to-do lists: entries, each with its state in a mark, a word and a colour. */

import { el, find, icon, keepChildren, replaceChildren, setAttribute } from '../dom.js';
import { folded, source, withShowAll } from './fold.js';
import { jsonBlock } from './json.js';
import { inlineMarkdown } from './markdown.js';
import { inputOf } from './tool-input.js';

/** @typedef {import('../dom.js').Child} Child */
/** @typedef {import('./index.js').Context} Context */
/** @typedef {import('./index.js').Place} Place */
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

/** A list that changes in place: an entry that stays keeps its element, whatever becomes of it. */
export class PlanList {
  node = el('ul', { class: 'plan-list' });
  /** By the words of the entry. @type {Map<string, HTMLElement>} */
  #items = new Map();

  /** @param {Entry[]} entries */
  update(entries) {
    /** @type {Map<string, HTMLElement>} */
    const items = new Map();
    for (const entry of entries.slice(0, MAX_ENTRIES)) {
      const item = this.#items.get(entry.content) ?? el('li', {}, el('span', { class: 'plan-mark', attrs: { role: 'img' } }), el('span', { class: 'plan-text' }, inlineMarkdown(entry.content)));
      setEntry(item, entry);
      items.set(items.has(entry.content) ? `${entry.content}\n${items.size}` : entry.content, item);
    }
    this.#items = items;
    const rest = entries.length > MAX_ENTRIES && el('li', { class: 'plan-entry', text: `… ${entries.length - MAX_ENTRIES} more` });
    keepChildren(this.node, [...new Set(items.values()), ...(rest ? [rest] : [])]);
  }
}

/** @param {HTMLElement} item @param {Entry} entry */
function setEntry(item, entry) {
  const state = stateOf(entry.status);
  item.className = `plan-entry is-${state}`;
  const mark = find(item, '.plan-mark');
  mark.title = WORDS[state];
  setAttribute(mark, 'aria-label', WORDS[state]);
  replaceChildren(mark, state === 'done' && icon('check'), state === 'dropped' && icon('cross'));
  item.querySelector('.plan-priority')?.remove();
  if (entry.priority === 'high') item.append(el('span', { class: 'plan-priority', text: 'high' }));
}

/**
 * @param {Entry[]} entries
 * @returns {HTMLElement}
 */
export function planList(entries) {
  const list = new PlanList();
  list.update(entries);
  return list.node;
}

/**
 * What a list says that differs from the one before it; all of it where there was none, or it has little in common.
 *
 * @param {Entry[]} entries
 * @param {Place} place
 * @param {Context} context
 * @returns {Child[]}
 */
export function planNews(entries, place, context) {
  const before = planBefore(place, context);
  enterPlan(entries, place, context);
  const was = new Map(before?.map((entry) => [entry.content, stateOf(entry.status)]));
  const news = entries.filter((entry) => was.get(entry.content) !== stateOf(entry.status));
  const words = new Set(entries.map((entry) => entry.content));
  const gone = (before ?? []).filter((entry) => !words.has(entry.content)).map((entry) => ({ ...entry, status: 'deleted' }));
  if (!before || news.length === entries.length) return [planList(entries)];
  const whole = folded([el('span', { class: 'fold-name', text: 'The whole list' }), el('span', { class: 'fold-glance', text: planProgress(entries) })], () => [planList(entries)], { class: 'plan-whole' });
  return [news.length + gone.length > 0 ? planList([...news, ...gone]) : el('p', { class: 'tool-note', text: 'Nothing has changed' }), whole];
}

/** @param {Place} place @param {Context} context @returns {Entry[] | null} the list that held until then */
function planBefore({ seq, index, lane = '' }, context) {
  return context.plans.findLast((each) => each.lane === lane && (each.seq < seq || (each.seq === seq && each.index < index)))?.entries ?? null;
}

/** @param {Entry[]} entries @param {Place} place @param {Context} context */
function enterPlan(entries, { seq, index, lane = '' }, { plans }) {
  const at = plans.findIndex((each) => each.seq === seq && each.index === index);
  if (at >= 0) plans.splice(at, 1);
  plans.push({ seq, index, lane, entries });
  plans.sort((a, b) => a.seq - b.seq || a.index - b.index);
}

/** @param {import('../protocol.js').PlanPart} part @returns {Entry[]} */
export function entriesOfPlan(part) {
  return part.entries.map(({ content, status, priority }) => ({ content: String(content), status: String(status ?? ''), priority: priority ?? null }));
}

/**
 * @param {import('../protocol.js').PlanPart} part
 * @param {Context} context
 * @param {Place} place
 */
export function renderPlan(part, context, place) {
  const entries = entriesOfPlan(part);
  const body = withShowAll(source('', part.truncated, context), (text) => (text === '' ? planNews(entries, place, context) : [jsonBlock(inputOf(text), { label: 'Plan' })]));
  const head = el('div', { class: 'plan-head' }, icon('list-check'), el('strong', { text: 'Plan' }), el('span', { class: 'plan-progress', text: planProgress(entries) }));
  return el('section', { class: 'part part-plan' }, head, ...body);
}
