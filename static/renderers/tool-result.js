/** A tool's result: put into the card of its call, or shown on its own where that call is not there. */

import { el, icon } from '../dom.js';
import { withShowAll } from './fold.js';
import { answerNode } from './generic-tool.js';
import { callOf } from './tool-call.js';
import { failed, otherParts, resultSource } from './tool-input.js';

/** @typedef {import('../protocol.js').ToolResultPart} ToolResultPart */
/** @typedef {import('./index.js').Context} Context */
/** @typedef {import('./index.js').Place} Place */

/**
 * @param {ToolResultPart} part
 * @param {Context} context
 * @param {Place} place
 * @returns {HTMLElement | null} `null` when it went into its call's card
 */
export function renderToolResult(part, context, place) {
  const call = callOf(part.call_id, place, context);
  const orphan = call ? null : orphanNode(part, context, place);
  if (typeof part.call_id === 'string') {
    const known = context.results.get(part.call_id) ?? new Map();
    context.results.set(part.call_id, known);
    known.set(`${place.seq}:${place.index}`, { part, place, orphan });
  }
  call?.settle(part, place);
  return orphan;
}

/** @param {ToolResultPart} part @param {Context} context @param {Place} place */
function orphanNode(part, context, place) {
  const isError = failed([part]);
  const state = isError ? el('span', { class: 'tool-state' }, icon('cross'), 'failed') : null;
  return el(
    'div', { class: `part tool is-orphan ${isError ? 'is-error' : ''}`.trim(), attrs: { role: 'group', 'aria-label': 'Tool result' } },
    el('div', { class: 'tool-head' }, el('span', { class: 'tool-symbol' }, icon('tool')), el('span', { class: 'tool-name', text: 'Result' }), el('span', { class: 'tool-summary', text: 'of a call that is not shown here' }), state),
    el('div', { class: 'tool-body' }, ...withShowAll(resultSource([part], context), (text) => [answerNode(text)]), ...otherParts([part]).map((each) => context.renderPart(each, context, place))),
  );
}
