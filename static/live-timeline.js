/**
 * The timeline as the page holds it. It grows with what is being written, so that a new event costs one event and not
 * the whole timeline again: marks and labels are made as the server makes them; what it alone can know comes with the
 * next whole one.
 *
 * @import { Density, Envelope, Marker, MarkerKind, Message, Part, Reading, TimelineAnswer } from './protocol.js'
 * @import { Spent } from './usage.js'
 */

import { Pairs } from './pairs.js';
import { LISTED_GAP_MS } from './playhead.js';
import { oneLine } from './format.js';
import { plain } from './turns.js';

const LABEL_CHARACTERS = 120;

/**
 * @typedef {Object} Timeline
 * @property {string} epoch
 * @property {number} count
 * @property {number} duration_ms
 * @property {readonly Marker[]} markers  for the bar: of a kind that is left out, only some
 * @property {readonly (MarkerKind | 'gap')[]} leftOut
 * @property {Pairs} gaps  the ends of all
 * @property {Pairs} turns  the event and the time of each
 * @property {Map<number, string>} labels  what turns begin with, by their events, as far as it is known; grows
 * @property {Map<number, Spent & { stop_seq: number }>} spent  what turns took up to an event, in the same way
 * @property {Density} density
 * @property {Reading} [reading]
 */

/**
 * @param {TimelineAnswer} answer
 * @param {{ gaps?: Pairs | null, turns?: Pairs | null }} [tables]  of what the answer leaves out
 * @returns {Timeline}
 */
export function timelineOf({ epoch, count, duration_ms, markers, left_out: leftOut = [], gaps, density, reading }, tables = {}) {
  const turns = markers.filter((each) => each.kind === 'turn');
  const allGaps = tables.gaps ?? Pairs.of(gaps.map((each) => [each.start_ms, each.end_ms]));
  const allTurns = tables.turns ?? Pairs.of(turns.map((each) => [each.seq, each.t_ms]));
  return {
    epoch, count, duration_ms, markers, leftOut, density, ...(reading && { reading }),
    // A table that was asked for later may know more than the answer does.
    gaps: allGaps.upTo(allGaps.lastBySecond(duration_ms) + 1),
    turns: allTurns.upTo(allTurns.lastByFirst(count - 1) + 1),
    labels: new Map(turns.map((each) => [each.seq, plain(each.label)])),
    spent: new Map(),
  };
}

/**
 * @param {Timeline} timeline
 * @param {readonly Envelope[]} envelopes  in order
 * @returns {Timeline} the same one where it holds them all already
 */
export function grown(timeline, envelopes) {
  const fresh = envelopes.filter((each) => each.seq >= timeline.count);
  if (fresh.length === 0) return timeline;
  const markers = [...timeline.markers];
  let { duration_ms: before, count, gaps, turns } = timeline;
  for (const envelope of fresh) {
    const follows = envelope.seq === count && count > 0;
    if (follows && envelope.t_ms - before >= LISTED_GAP_MS) gaps = gaps.plus(before, envelope.t_ms);
    for (const marker of markersOf(envelope)) {
      markers.push(marker);
      if (marker.kind !== 'turn') continue;
      turns = turns.plus(marker.seq, marker.t_ms);
      timeline.labels.set(marker.seq, plain(marker.label));
    }
    before = Math.max(before, envelope.t_ms);
    count = envelope.seq + 1;
  }
  return { ...timeline, count, duration_ms: before, markers, gaps, turns };
}

/**
 * @param {Envelope} envelope
 * @returns {Marker[]}
 */
export function markersOf({ seq, t_ms, event }) {
  if (event.type !== 'message_completed') return [];
  const parts = Array.isArray(event.message.content) ? event.message.content : [];
  const calls = parts.filter((part) => part.type === 'tool_call');
  const results = parts.filter((part) => part.type === 'tool_result');
  const failures = results.filter((part) => part.is_error);
  const plan = parts.findLast((part) => part.type === 'plan');
  /** @type {(kind: MarkerKind, label: string) => Marker} */
  const marker = (kind, label) => ({ seq, t_ms, kind, label });
  const made = [];
  if (isTurn(event.message, results.length)) made.push(marker('turn', firstText(parts) || '(no text)'));
  if (calls[0]) made.push(marker('tool', andMore(calls[0].title || calls[0].name, calls.length)));
  if (failures[0]) made.push(marker('error', andMore(firstText(failures[0].output) || 'error', failures.length)));
  if (plan) made.push(marker('plan', `${plan.entries.filter((each) => each.status === 'completed').length} of ${plan.entries.length} done`));
  return made;
}

/**
 * @param {Message} message
 * @param {number} results
 */
function isTurn({ role, metadata, content }, results) {
  const archived = metadata?.archived_role;
  return role === 'user' && (archived === undefined || archived === 'user') && (content.length === 0 || results < content.length);
}

/** @param {readonly Part[]} parts */
function firstText(parts) {
  for (const part of parts) {
    if ((part.type === 'text' || part.type === 'code') && part.text.trim()) return short(part.text);
  }
  const other = parts.find((part) => part.type === 'image' || part.type === 'resource');
  return other ? `(${other.type})` : '';
}

/**
 * @param {string} label
 * @param {number} count
 */
function andMore(label, count) {
  return count === 1 ? short(label) : `${short(label)} (+${count - 1})`;
}

/** Marks of Markdown make a one-line label harder to read. @param {string} text */
function short(text) {
  return oneLine(text.slice(0, LABEL_CHARACTERS * 4).replace(/[*`]+/g, ''), LABEL_CHARACTERS);
}
