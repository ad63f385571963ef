/**
 * Where recorded time lies on the seek bar: fractions of its width, 0 to 1.
 *
 * Time is drawn to scale, unless silence takes up most of the session: then each long gap becomes a break of a fixed,
 * labelled width, and the rest is to scale. Either way the map is monotone and every label is recorded time.
 *
 * @import { Gap } from './protocol.js'
 */

/** Gaps longer than this may become breaks. */
const BREAK_FROM_MS = 30_000;

/** From this share of the whole on, silence is not drawn to scale. */
const MOSTLY_SILENT = 0.6;

/** Width of a break, as a fraction of the bar; all of them together stay below the second number. */
const BREAK_WIDTH = 0.045;
const BREAKS_WIDTH = 0.4;

/** @typedef {{ start: number, end: number, from: number, to: number }} Break  recorded ends, and fractions */

export class TimeScale {
  /** Gaps drawn narrower than they are. @type {readonly Break[]} */
  breaks;
  #durationMs;
  /** Fraction of the bar for one millisecond outside of breaks. */
  #unit;

  /**
   * @param {number} durationMs
   * @param {readonly Gap[]} gaps
   */
  constructor(durationMs, gaps) {
    const silence = gaps.reduce((sum, gap) => sum + gap.end_ms - gap.start_ms, 0);
    const long = silence > durationMs * MOSTLY_SILENT ? gaps.filter((gap) => gap.end_ms - gap.start_ms > BREAK_FROM_MS) : [];
    const width = long.length > 0 ? Math.min(BREAK_WIDTH, BREAKS_WIDTH / long.length) : 0;
    const hidden = long.reduce((sum, gap) => sum + gap.end_ms - gap.start_ms, 0);
    const drawn = Math.max(1, durationMs - hidden);
    this.#durationMs = durationMs;
    this.#unit = (1 - width * long.length) / drawn;
    this.breaks = placed(long, width, this.#unit);
  }

  /**
   * @param {number} tMs
   * @returns {number}
   */
  fractionOf(tMs) {
    const time = Math.max(0, Math.min(tMs, this.#durationMs));
    const last = this.breaks.findLast((each) => each.start <= time);
    if (!last) return Math.min(1, time * this.#unit);
    if (time < last.end) return last.from + ((time - last.start) / (last.end - last.start)) * (last.to - last.from);
    return Math.min(1, last.to + (time - last.end) * this.#unit);
  }

  /**
   * @param {number} fraction
   * @returns {number}
   */
  timeAt(fraction) {
    const place = Math.max(0, Math.min(fraction, 1));
    const last = this.breaks.findLast((each) => each.from <= place);
    if (!last) return Math.min(this.#durationMs, place / this.#unit);
    if (place < last.to) return last.start + ((place - last.from) / (last.to - last.from)) * (last.end - last.start);
    return Math.min(this.#durationMs, last.end + (place - last.to) / this.#unit);
  }
}

/**
 * @param {readonly Gap[]} gaps
 * @param {number} width
 * @param {number} unit
 * @returns {Break[]}
 */
function placed(gaps, width, unit) {
  let saved = 0; // recorded time of the breaks so far, which takes `width` each instead
  return gaps.map((gap, index) => {
    const from = (gap.start_ms - saved) * unit + index * width;
    saved += gap.end_ms - gap.start_ms;
    return { start: gap.start_ms, end: gap.end_ms, from, to: from + width };
  });
}
