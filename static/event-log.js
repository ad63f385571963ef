/**
 * The events that the page has seen, by number, within a bound.
 *
 * What lies farthest from the cursor goes first: it can be fetched again, and a session may be larger than a tab.
 *
 * @import { Envelope } from './protocol.js'
 */

/** More events than the transcript ever draws, so that a short seek needs no fetch. */
export const MAX_EVENTS = 4_000;

/** Characters of text kept; two bytes each at most in a browser, so some 64 MB. */
export const MAX_CHARACTERS = 32_000_000;

/** @typedef {{envelope: Envelope, weight: number}} Entry */

export class EventLog {
  /** @type {Map<number, Entry>} */
  #entries = new Map();
  #weight = 0;
  #maxEvents;
  #maxCharacters;

  constructor({ maxEvents = MAX_EVENTS, maxCharacters = MAX_CHARACTERS } = {}) {
    this.#maxEvents = maxEvents;
    this.#maxCharacters = maxCharacters;
  }

  get size() {
    return this.#entries.size;
  }

  /**
   * @param {number} seq
   * @returns {Envelope | null}
   */
  get(seq) {
    return this.#entries.get(seq)?.envelope ?? null;
  }

  /**
   * @param {number} seq
   * @returns {number} about how many characters the event holds; 0 where it is not here
   */
  weightOf(seq) {
    return this.#entries.get(seq)?.weight ?? 0;
  }

  /**
   * Whether every event of the half-open range is here.
   *
   * @param {number} from
   * @param {number} to
   * @returns {boolean}
   */
  holds(from, to) {
    for (let seq = to - 1; seq >= from; seq--) if (!this.#entries.has(seq)) return false;
    return true;
  }

  /**
   * @param {number} from
   * @param {number} to
   * @returns {number | null} the last event of the half-open range that is not here
   */
  lastMissing(from, to) {
    for (let seq = to - 1; seq >= from; seq--) if (!this.#entries.has(seq)) return seq;
    return null;
  }

  /**
   * @param {number} from
   * @param {number} to
   * @returns {number | null} the first event of the half-open range that is not here
   */
  firstMissing(from, to) {
    for (let seq = from; seq < to; seq++) if (!this.#entries.has(seq)) return seq;
    return null;
  }

  /**
   * @param {readonly Envelope[]} envelopes
   * @param {number} cursor  where playback is: what is far from it may be dropped
   */
  put(envelopes, cursor) {
    for (const envelope of envelopes) {
      if (this.#entries.has(envelope.seq)) continue;
      const weight = weigh(envelope.event);
      this.#entries.set(envelope.seq, { envelope, weight });
      this.#weight += weight;
    }
    if (this.#over()) this.#drop(cursor);
  }

  clear() {
    this.#entries.clear();
    this.#weight = 0;
  }

  #over() {
    return this.#entries.size > this.#maxEvents || this.#weight > this.#maxCharacters;
  }

  /**
   * Down to three quarters of the bound, so that the sort is paid for rarely.
   *
   * @param {number} cursor
   */
  #drop(cursor) {
    const farthestFirst = [...this.#entries.keys()].sort((a, b) => Math.abs(b - cursor) - Math.abs(a - cursor));
    for (const seq of farthestFirst) {
      const roomy = this.#entries.size <= this.#maxEvents * 0.75 && this.#weight <= this.#maxCharacters * 0.75;
      if (roomy || this.#entries.size <= 1) return;
      this.#weight -= this.#entries.get(seq)?.weight ?? 0;
      this.#entries.delete(seq);
    }
  }
}

/**
 * About how many characters a JSON value holds.
 *
 * @param {unknown} value
 * @returns {number}
 */
function weigh(value) {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null) return 8;
  let sum = 16;
  for (const each of Object.values(value)) sum += weigh(each);
  return sum;
}
