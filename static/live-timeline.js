/**
 * A timeline that grows with what is being written, so that a new event costs one event and not the whole timeline
 * again. Marks and labels are made as the server makes them; what it alone can know comes with the next whole one.
 *
 * @import { Envelope, Marker, MarkerKind, Message, Part, Timeline } from './protocol.js'
 */

import { LISTED_GAP_MS } from './playhead.js';
import { oneLine } from './format.js';

const LABEL_CHARACTERS = 120;

/**
 * @param {Timeline} timeline
 * @param {readonly Envelope[]} envelopes  in order
 * @returns {Timeline} the same one where it holds them all already
 */
export function grown(timeline, envelopes) {
  const fresh = envelopes.filter((each) => each.seq >= timeline.count);
  if (fresh.length === 0) return timeline;
  const markers = [...timeline.markers];
  const gaps = [...timeline.gaps];
  let { duration_ms: before, count } = timeline;
  for (const envelope of fresh) {
    const follows = envelope.seq === count && count > 0;
    if (follows && envelope.t_ms - before >= LISTED_GAP_MS) gaps.push({ start_ms: before, end_ms: envelope.t_ms });
    markers.push(...markersOf(envelope));
    before = Math.max(before, envelope.t_ms);
    count = envelope.seq + 1;
  }
  return { ...timeline, count, duration_ms: before, markers, gaps };
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
