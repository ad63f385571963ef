/**
 * The turns of a session: what a person said, and when. Where they stand is known of all; of many turns, what was said is
 * fetched when it is to be seen.
 *
 * @import { Timeline } from './live-timeline.js'
 * @import { Spent } from './usage.js'
 */

/** @typedef {{ number: number, seq: number, t_ms: number, label: string | null }} Turn  numbered from 1; its label may not be known yet */

/** @param {Timeline | null} timeline */
export function countTurns(timeline) {
  return timeline?.turns.length ?? 0;
}

/**
 * @param {Timeline | null} timeline
 * @param {number} index
 * @returns {Turn | null}
 */
export function turnOf(timeline, index) {
  if (!timeline || index < 0 || index >= timeline.turns.length) return null;
  const seq = timeline.turns.first(index);
  return { number: index + 1, seq, t_ms: timeline.turns.second(index), label: timeline.labels.get(seq) ?? null };
}

/**
 * What a turn took, as the server tells it.
 *
 * @param {Timeline} timeline
 * @param {number} index
 * @returns {Spent | null} `null` where it is not known; at least so much where the last turn has grown since
 */
export function toldSpent(timeline, index) {
  const told = timeline.spent.get(timeline.turns.first(index));
  if (!told) return null;
  const isLast = index === timeline.turns.length - 1;
  if (told.stop_seq === (isLast ? timeline.count : timeline.turns.first(index + 1))) return told;
  return isLast ? { ...told, whole: false } : null;
}

/**
 * The turn that a recorded time is in.
 *
 * @param {Timeline | null} timeline
 * @param {number} tMs
 * @returns {Turn | null}
 */
export function turnAt(timeline, tMs) {
  return turnOf(timeline, timeline?.turns.lastBySecond(tMs) ?? -1);
}

/**
 * The turn that was begun last before an event.
 *
 * @param {Timeline | null} timeline
 * @param {number} cursor
 * @returns {Turn | null}
 */
export function turnBefore(timeline, cursor) {
  return turnOf(timeline, timeline?.turns.lastByFirst(cursor - 1) ?? -1);
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
