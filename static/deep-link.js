/**
 * Links to a moment: `#t=754&speed=4&idle=2`, or `&pace=reading`. Times are recorded time, in seconds or as `12:34` or `1:02:03`.
 *
 * `#e=msg_7c1` leads to the event of that id and stops there, wherever it stands by now; `&meta=1` shows the session's
 * system events with it. `#seq=412` leads to an event by its number, `&q=words` shows what else was found beside it;
 * `#live` leads to where the session is being written.
 *
 * @import { Envelope } from './protocol.js'
 * @import { Pace } from './settings.js'
 */

/**
 * @typedef {Object} Moment
 * @property {number | null} tMs
 * @property {number | 'max' | null} speed
 * @property {Pace | undefined} pace  `undefined` where the link leaves it as it is
 * @property {string | null} eventId
 * @property {boolean} meta  whether the event is one beside the messages
 * @property {number | null} seq
 * @property {string} q  what was looked for; empty for nothing
 * @property {boolean} live
 */

/**
 * @param {string} hash  with or without its `#`; what is not understood counts as left out
 * @returns {Moment}
 */
export function parseMoment(hash) {
  const fields = new URLSearchParams(hash.replace(/^#/, ''));
  const speed = fields.get('speed');
  const idle = fields.get('idle');
  return {
    tMs: parseTime(fields.get('t') ?? ''),
    speed: speed === 'max' ? 'max' : between(speed, 0.1, 100),
    pace: fields.get('pace') === 'reading' ? 'reading' : idle === 'off' ? null : (between(idle, 0.001, Infinity) ?? undefined),
    eventId: fields.get('e') || null,
    meta: fields.has('meta'),
    seq: /^\d{1,12}$/.test(fields.get('seq') ?? '') ? Number(fields.get('seq')) : null,
    q: (fields.get('q') ?? '').trim(),
    live: fields.has('live'),
  };
}

/**
 * @param {number} tMs
 * @returns {string} a hash that leads there, to the second
 */
export function formatMoment(tMs) {
  return `#t=${Math.max(0, Math.floor(tMs / 1000))}`;
}

/**
 * @param {Envelope} envelope
 * @returns {string} a hash that leads to that event, whatever number it has by then
 */
export function formatEvent({ event }) {
  const fields = new URLSearchParams({ e: event.type === 'meta_event' ? event.meta_event.id : event.message.id });
  if (event.type === 'meta_event') fields.set('meta', '1');
  return `#${fields}`;
}

/**
 * @param {number} seq
 * @param {string} q
 * @returns {string} a hash that leads to that event, and to the others that `q` is found in
 */
export function formatHit(seq, q) {
  return `#${new URLSearchParams({ seq: String(seq), q })}`;
}

/**
 * @param {string} text
 * @returns {number | null} milliseconds
 */
export function parseTime(text) {
  if (/^\d+(\.\d+)?$/.test(text)) return Math.round(Number(text) * 1000);
  const match = /^(?:(\d+):)?(\d{1,3}):(\d{2})(?:\.\d+)?$/.exec(text);
  if (!match) return null;
  const [, hours, minutes, seconds] = match;
  return ((Number(hours ?? 0) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000;
}

/**
 * @param {string | null} text
 * @param {number} low
 * @param {number} high
 * @returns {number | null}
 */
function between(text, low, high) {
  const value = text === null || text.trim() === '' ? NaN : Number(text);
  return value >= low && value <= high ? value : null;
}
