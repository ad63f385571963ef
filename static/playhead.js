/**
 * Where playback is, between two words from the server: for the clock and the seek bar only.
 *
 * The twin of the server's playhead and timeline (`docs/protocol.md`, Pacing), working on what the page knows: the
 * gaps of 3 s and more. Shorter gaps are played in full here, so the bar never runs ahead by more than one of them.
 * At the pace of a reader, time moves with the events only: how long each reads is for the server to know.
 * Nothing in this file reads a clock: `now` is always given, in milliseconds of any steady clock.
 *
 * Two times, never mixed: *recorded* time is what people see; an *offset* is the same instant on the shortened
 * timeline, at speed 1, and stays in this file.
 *
 * @import { Gap, Mode } from './protocol.js'
 */

/** A gap of an hour or more is not waited for. */
export const LONG_GAP_MS = 3_600_000;

/** The server lists gaps from this length on, so the next event is never further away than this outside of one. */
export const LISTED_GAP_MS = 3_000;

/**
 * @typedef {{start: number, end: number, offset: number, length: number}} Stretch  a gap: recorded ends, and where and
 *   for how long it is played
 */

/** The map between recorded time and offset under one idle cap. Monotone; a point in a gap maps linearly into it. */
export class Pace {
  /** @type {Stretch[]} */
  #gaps = [];
  /** @type {number} */
  #durationMs;

  /**
   * @param {readonly Gap[]} gaps  in order, not overlapping
   * @param {number} durationMs
   * @param {number | null} idleMs  the longest gap played, `null` for no cap
   */
  constructor(gaps, durationMs, idleMs) {
    this.#durationMs = durationMs;
    let saved = 0;
    for (const gap of gaps) {
      const whole = gap.end_ms - gap.start_ms;
      if (whole <= 0) continue;
      const length = whole >= LONG_GAP_MS ? 0 : Math.min(whole, idleMs ?? Infinity);
      this.#gaps.push({ start: gap.start_ms, end: gap.end_ms, offset: gap.start_ms - saved, length });
      saved += whole - length;
    }
  }

  /** How long the session plays at speed 1, in milliseconds. */
  get length() {
    return this.offsetOf(this.#durationMs);
  }

  /**
   * @param {number} recordedMs
   * @return {number}
   */
  offsetOf(recordedMs) {
    const gap = lastWhere(this.#gaps, (each) => each.start <= recordedMs);
    if (!gap) return recordedMs;
    if (recordedMs >= gap.end) return gap.offset + gap.length + (recordedMs - gap.end);
    return gap.offset + ((recordedMs - gap.start) / (gap.end - gap.start)) * gap.length;
  }

  /**
   * @param {number} offset
   * @return {number}
   */
  recordedAt(offset) {
    const gap = lastWhere(this.#gaps, (each) => each.offset <= offset);
    if (!gap) return offset;
    const inside = offset - gap.offset;
    if (inside >= gap.length) return gap.end + (inside - gap.length);
    return gap.start + (inside / gap.length) * (gap.end - gap.start);
  }

  /**
   * The listed gap that holds this recorded time; its end is in it no more, its start is.
   *
   * @param {number} recordedMs
   * @return {{start: number, end: number} | null}
   */
  gapAt(recordedMs) {
    const gap = lastWhere(this.#gaps, (each) => each.start <= recordedMs);
    return gap && recordedMs < gap.end ? gap : null;
  }
}

/**
 * @template T
 * @param {readonly T[]} items
 * @param {(item: T) => boolean} holds  true up to some point of `items`, false from there on
 * @return {T | null}
 */
function lastWhere(items, holds) {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(/** @type { T } */ (items[middle]))) low = middle + 1;
    else high = middle;
  }
  return low > 0 ? /** @type { T } */ (items[low - 1]) : null;
}

/**
 * @typedef {Object} Fix  the last that the server said
 * @property {number} tMs  recorded time reached
 * @property {number} now  when that was, on the page's clock
 * @property {boolean} moving  whether time goes on from there
 * @property {Mode} mode
 * @property {number} speed
 */

/** Extrapolates from one fix; immutable, as the server's word is the only thing that changes it. */
export class Playhead {
  /** @type {Pace} */
  #pace;
  /** @type {Fix} */
  #fix;
  /** @type {number} */
  #durationMs;

  /**
   * @param {Pace} pace
   * @param {number} durationMs
   * @param {Fix} fix
   */
  constructor(pace, durationMs, fix) {
    this.#pace = pace;
    this.#durationMs = durationMs;
    this.#fix = fix;
  }

  /**
   * Recorded time at `now`. Never beyond the next event, as far as one can tell when that is.
   *
   * @param {number} now
   * @return {number}
   */
  at(now) {
    const { tMs, mode } = this.#fix;
    if (!this.#fix.moving || mode !== 'realtime') return Math.min(tMs, this.#durationMs);
    const offset = this.#pace.offsetOf(tMs) + Math.max(0, now - this.#fix.now) * this.#fix.speed;
    return Math.max(Math.min(this.#pace.recordedAt(offset), this.#ceiling()), Math.min(tMs, this.#durationMs));
  }

  /**
   * Milliseconds of clock time until the listed gap that playback is in is over; 0 outside of one or when stopped.
   *
   * @param {number} now
   * @return {number}
   */
  waitLeft(now) {
    if (!this.#fix.moving || this.#fix.mode !== 'realtime') return 0;
    const gap = this.#pace.gapAt(this.at(now));
    if (!gap) return 0;
    return (this.#pace.offsetOf(gap.end) - this.#pace.offsetOf(this.at(now))) / this.#fix.speed;
  }

  /**
   * Milliseconds of clock time that the rest of the session takes at this pace.
   *
   * @param {number} now
   * @return {number}
   */
  timeLeft(now) {
    if (this.#fix.mode !== 'realtime') return 0;
    return Math.max(0, this.#pace.length - this.#pace.offsetOf(this.at(now))) / this.#fix.speed;
  }

  /** @return {number} */
  #ceiling() {
    const gap = this.#pace.gapAt(this.#fix.tMs);
    return Math.min(gap ? gap.end : this.#fix.tMs + LISTED_GAP_MS, this.#durationMs);
  }
}
