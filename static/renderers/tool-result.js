/** A tool's result: put into the card of its call, or shown on its own where that call is not there. */

import { el, icon } from '../dom.js';
import { clock } from '../format.js';
import { withShowAll } from './fold.js';
import { answerNode } from './generic-tool.js';
import { ToolCallHandle, callOf } from './tool-call.js';
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
  const far = call || typeof part.call_id !== 'string' ? null : context.findCall?.(part.call_id, place, context);
  const orphan = call ? null : far ? farNode(far, part, context, place) : orphanNode(part, context, place);
  if (typeof part.call_id === 'string') {
    const known = context.results.get(part.call_id) ?? new Map();
    context.results.set(part.call_id, known);
    known.set(`${place.seq}:${place.index}`, { part, place, orphan });
  }
  call?.settle(part, place);
  return orphan;
}

/**
 * The card of a call that is not drawn itself, where its result is.
 *
 * @param {import('./index.js').FarCall} far
 * @param {ToolResultPart} part
 * @param {Context} context
 * @param {Place} place
 */
function farNode(far, part, context, place) {
  const card = new ToolCallHandle(far.part, far.place, context);
  card.settle(part, place);
  card.node.classList.add('is-far');
  card.node.title = `Called at ${clock(far.place.t_ms)}`;
  return card.node;
}

/**
 * Puts results that are shown on their own into the card of their call, which was found only now.
 *
 * @param {string} callId
 * @param {import('./index.js').FarCall} far
 * @param {Context} context
 */
export function adoptCall(callId, far, context) {
  for (const result of context.results.get(callId)?.values() ?? []) {
    if (!result.orphan || callOf(callId, result.place, context) || result.place.seq < far.place.seq) continue;
    const node = farNode(far, result.part, context, result.place);
    result.orphan.replaceWith(node);
    result.orphan = node;
  }
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
