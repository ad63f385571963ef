/**
 * Where playback is, between two words from the server: for the clock and the seek bar only.
 *
 * The twin of the server's playhead and timeline (`docs/protocol.md`, Pacing), working on what the page knows: the
 * gaps of 3 s and more. Shorter gaps are played in full here, so the bar never runs ahead by more than one of them.
 * At the pace of a reader, time moves with the events only; how long is left is known from how long each reads.
 * Nothing in this file reads a clock: `now` is always given, in milliseconds of any steady clock.
 *
 * Two times, never mixed: *recorded* time is what people see; an *offset* is the same instant on the shortened
 * timeline, at speed 1, and stays in this file.
 *
 * @import { Pairs } from './pairs.js'
 * @import { Mode, Reading } from './protocol.js'
 */

import { lastWhere } from './pairs.js';

/** A gap of an hour or more is not waited for. */
export const LONG_GAP_MS = 3_600_000;

/** The server lists gaps from this length on, so the next event is never further away than this outside of one. */
export const LISTED_GAP_MS = 3_000;

/** The map between recorded time and offset under one idle cap. Monotone; a point in a gap maps linearly into it. */
export class Pace {
  #gaps;
  #durationMs;
  /** Where each gap is played. */
  #offsets;
  /** For how long. */
  #lengths;

  /**
   * @param {Pairs} gaps  their ends in recorded time, not overlapping
   * @param {number} durationMs
   * @param {number | null} idleMs  the longest gap played, `null` for no cap
   */
  constructor(gaps, durationMs, idleMs) {
    this.#gaps = gaps;
    this.#durationMs = durationMs;
    this.#offsets = new Float64Array(gaps.length);
    this.#lengths = new Float64Array(gaps.length);
    const most = idleMs ?? Infinity;
    let saved = 0;
    const [ends, offsets, lengths] = [gaps.numbers, this.#offsets, this.#lengths];
    for (let index = 0; index < offsets.length; index++) {
      const start = ends[2 * index] ?? 0;
      const whole = (ends[2 * index + 1] ?? 0) - start;
      const length = whole >= LONG_GAP_MS ? 0 : Math.min(whole, most);
      offsets[index] = start - saved;
      lengths[index] = length;
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
    const index = this.#gaps.lastByFirst(recordedMs);
    if (index < 0) return recordedMs;
    const { start, end, offset, length } = this.#stretch(index);
    if (recordedMs >= end) return offset + length + (recordedMs - end);
    return offset + ((recordedMs - start) / (end - start)) * length;
  }

  /**
   * @param {number} offset
   * @return {number}
   */
  recordedAt(offset) {
    const index = lastWhere(this.#offsets.length, (each) => /** @type {number} */ (this.#offsets[each]) <= offset);
    if (index < 0) return offset;
    const gap = this.#stretch(index);
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
    const index = this.#gaps.lastByFirst(recordedMs);
    return index >= 0 && recordedMs < this.#gaps.second(index) ? this.#stretch(index) : null;
  }

  /** A gap: its recorded ends, and where and for how long it is played. @param {number} index */
  #stretch(index) {
    return {
      start: this.#gaps.first(index), end: this.#gaps.second(index),
      offset: /** @type {number} */ (this.#offsets[index]), length: /** @type {number} */ (this.#lengths[index]),
    };
  }
}

/**
 * How long it takes, at the pace of a reader, from one event to the last: that one is not waited for.
 *
 * @param {Reading} reading
 * @param {number} seq
 * @return {number} milliseconds, at speed 1
 */
export function readingTime({ every, ms }, seq) {
  const place = seq / every;
  const run = Math.floor(place);
  const last = every === 1 ? (ms.at(-1) ?? 0) : 0; // of many together, one makes no difference
  return Math.max(0, ms.slice(run).reduce((sum, each) => sum + each, -last) - (place - run) * (ms[run] ?? 0));
}

/**
 * @typedef {Object} Fix  the last that the server said
 * @property {number} tMs  recorded time reached
 * @property {number} now  when that was, on the page's clock
 * @property {boolean} moving  whether time goes on from there
 * @property {Mode} mode
 * @property {number} speed
 * @property {number | null} [unreadMs]  how long what is left takes to read, at speed 1; `null` where that is not known
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
   * How long what is left takes to read, at speed 1. What is being read counts as far as it is not.
   *
   * @param {number} now
   * @return {number | null}
   */
  unreadAt(now) {
    const { unreadMs = null, moving, mode, speed } = this.#fix;
    if (unreadMs === null || !moving || mode !== 'reading') return unreadMs;
    return Math.max(0, unreadMs - (now - this.#fix.now) * speed);
  }

  /**
   * Milliseconds of clock time that the rest of the session takes at this pace; `null` where that is not known.
   *
   * @param {number} now
   * @return {number | null}
   */
  timeLeft(now) {
    if (this.#fix.mode === 'reading') {
      const unread = this.unreadAt(now);
      return unread === null ? null : unread / this.#fix.speed;
    }
    if (this.#fix.mode !== 'realtime') return 0;
    return Math.max(0, this.#pace.length - this.#pace.offsetOf(this.at(now))) / this.#fix.speed;
  }

  /** @return {number} */
  #ceiling() {
    const gap = this.#pace.gapAt(this.#fix.tMs);
    return Math.min(gap ? gap.end : this.#fix.tMs + LISTED_GAP_MS, this.#durationMs);
  }
}
