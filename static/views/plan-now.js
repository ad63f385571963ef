/**
 * The plan that holds where playback is, beside the conversation: one list, in which the marks change.
 *
 * @import { Envelope } from '../protocol.js'
 * @import { PlayerStore, ReplayState } from '../player-store.js'
 */

import { el, icon } from '../dom.js';
import { PlanList, entriesOfPlan, planProgress } from '../renderers/plan.js';

/** A plan that was not touched for so many events is not looked for: it takes time in every frame. */
const REACH_EVENTS = 1_000;

/** @typedef {{ seq: number, entries: import('../renderers/plan.js').Entry[] }} Plan */

export class PlanNow {
  node;
  #store;
  #list = new PlanList();
  #progress = el('span', { class: 'plan-progress' });
  /** @type {Plan | null} */
  #plan = null;
  /** Up to where that is known to be the one that holds. */
  #cursor = 0;
  /** How much had come when events were missing to tell; `null` when none were. @type {number | null} */
  #lacking = null;
  /** What the numbers of the events belong to. */
  #numbering = '';

  /** @param {PlayerStore} store */
  constructor(store) {
    this.#store = store;
    this.node = el('details', { class: 'plan-now', hidden: true }, el('summary', { class: 'panel-switch' }, icon('list-check'), el('span', { text: 'Plan' }), this.#progress, icon('chevron')), this.#list.node);
    this.node.open = true;
  }

  /** @param {ReplayState} state */
  update({ cursor, epoch, arrivals, meta, returning }) {
    if (returning) return;
    const numbering = `${epoch} ${meta}`;
    if (numbering === this.#numbering && cursor === this.#cursor && (this.#lacking === null || this.#lacking === arrivals)) return;
    const goesOn = numbering === this.#numbering && cursor >= this.#cursor;
    const known = goesOn ? this.#plan : null;
    const from = goesOn && this.#lacking === null ? this.#cursor : Math.max(this.#store.getState().first, cursor - REACH_EVENTS);
    const found = planAt((seq) => this.#store.log.get(seq), from, cursor);
    [this.#numbering, this.#cursor, this.#lacking] = [numbering, cursor, found === undefined ? arrivals : null];
    this.#show(found ?? known);
  }

  /** @param {Plan | null} plan */
  #show(plan) {
    if (plan === this.#plan) return;
    this.#plan = plan;
    this.node.hidden = plan === null;
    if (!plan) return;
    this.#progress.textContent = planProgress(plan.entries);
    this.#list.update(plan.entries);
  }
}

/**
 * The last plan among events of a half-open range; none that a subagent made for itself.
 *
 * @param {(seq: number) => Envelope | null} event
 * @param {number} from
 * @param {number} to
 * @returns {Plan | null | undefined} `null` where there is none, `undefined` where an event is not at hand
 */
export function planAt(event, from, to) {
  for (let seq = to - 1; seq >= from; seq--) {
    const envelope = event(seq);
    if (!envelope) return undefined;
    const entries = planOf(envelope);
    if (entries) return { seq, entries };
  }
  return null;
}

/** @param {Envelope} envelope */
function planOf({ event }) {
  if (event.type !== 'message_completed' || event.message.metadata?.sidechain || !Array.isArray(event.message.content)) return null;
  const plan = event.message.content.findLast((part) => part?.type === 'plan' && Array.isArray(part.entries) && part.entries.every((entry) => entry));
  return plan?.type === 'plan' && plan.entries.length > 0 ? entriesOfPlan(plan) : null;
}
