/**
 * The turns of a session, from its markers: what a person said, and when.
 *
 * @import { Timeline } from './protocol.js'
 */

/** @typedef {{ number: number, seq: number, t_ms: number, label: string }} Turn  numbered from 1 */

/** @type {WeakMap<Timeline, readonly Turn[]>} */
const known = new WeakMap();

/**
 * @param {Timeline | null} timeline
 * @returns {readonly Turn[]}
 */
export function turnsOf(timeline) {
  if (!timeline) return [];
  let turns = known.get(timeline);
  if (!turns) {
    turns = timeline.markers
      .filter((each) => each.kind === 'turn')
      .map(({ seq, t_ms, label }, index) => ({ number: index + 1, seq, t_ms, label: plain(label) }));
    known.set(timeline, turns);
  }
  return turns;
}

/**
 * The turn that a recorded time is in.
 *
 * @param {readonly Turn[]} turns
 * @param {number} tMs
 * @returns {Turn | null}
 */
export function turnAt(turns, tMs) {
  return turns.findLast((each) => each.t_ms <= tMs) ?? null;
}

/**
 * The turn that was begun last before an event.
 *
 * @param {readonly Turn[]} turns
 * @param {number} cursor
 * @returns {Turn | null}
 */
export function turnBefore(turns, cursor) {
  return turns.findLast((each) => each.seq < cursor) ?? null;
}

/**
 * Without the marks that Markdown makes of emphasis, code and headings, and without a terminal's colours: a label is
 * read as it stands.
 *
 * @param {string} label
 */
export function plain(label) {
  return label.replace(/\u001b\[[0-9;]*[A-Za-z]/g, '').replace(/[*`]+/g, '').replace(/^\s*#+\s+/, '');
}
