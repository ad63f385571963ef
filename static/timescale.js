/**
 * Where recorded time lies on the seek bar: fractions of its width, 0 to 1.
 *
 * Time is drawn to scale, unless silence takes up most of the session: then each long gap becomes a break of a fixed,
 * labelled width, and the rest is to scale. Either way the map is monotone and every label is recorded time.
 *
 * @import { Pairs } from './pairs.js'
 */

import { lastWhere } from './pairs.js';

/** Gaps longer than this may become breaks. */
const BREAK_FROM_MS = 30_000;

/** From this share of the whole on, silence is not drawn to scale. */
const MOSTLY_SILENT = 0.6;

/** Width of a break, as a fraction of the bar; all of them together stay below the second number. */
const BREAK_WIDTH = 0.045;
const BREAKS_WIDTH = 0.4;

/**
 * @typedef {{ start: number, end: number, from: number, to: number }} Break  recorded ends, and fractions
 * @typedef {Break & { broken: boolean }} DrawnGap  `broken` where it is drawn narrower than it is
 */

export class TimeScale {
  /** Gaps drawn narrower than they are. @type {readonly Break[]} */
  breaks;
  #durationMs;
  #gaps;
  /** Fraction of the bar for one millisecond outside of breaks. */
  #unit;

  /**
   * @param {number} durationMs
   * @param {Pairs} gaps
   */
  constructor(durationMs, gaps) {
    const long = silenceIn(gaps) > durationMs * MOSTLY_SILENT ? longerThan(gaps, BREAK_FROM_MS) : [];
    const width = long.length > 0 ? Math.min(BREAK_WIDTH, BREAKS_WIDTH / long.length) : 0;
    const hidden = long.reduce((sum, gap) => sum + gap.end - gap.start, 0);
    const drawn = Math.max(1, durationMs - hidden);
    this.#durationMs = durationMs;
    this.#gaps = gaps;
    this.#unit = (1 - width * long.length) / drawn;
    this.breaks = placed(long, width, this.#unit);
  }

  /**
   * @param {number} tMs
   * @returns {number}
   */
  fractionOf(tMs) {
    const time = Math.max(0, Math.min(tMs, this.#durationMs));
    const last = this.#lastBreak((each) => each.start <= time);
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
    const last = this.#lastBreak((each) => each.from <= place);
    if (!last) return Math.min(this.#durationMs, place / this.#unit);
    if (place < last.to) return last.start + ((place - last.from) / (last.to - last.from)) * (last.end - last.start);
    return Math.min(this.#durationMs, last.end + (place - last.to) / this.#unit);
  }

  /**
   * The gaps that are wide enough to be seen: most of a long session's are not.
   *
   * @param {number} least  a fraction
   * @returns {DrawnGap[]}
   */
  widerThan(least) {
    const anyBroken = this.breaks.length > 0;
    // A little less than would do, so that rounding leaves nothing out that is just wide enough.
    const leastMs = Math.min((least / this.#unit) * 0.99, anyBroken ? BREAK_FROM_MS : Infinity);
    return longerThan(this.#gaps, leastMs)
      .map(({ start, end }) => ({ start, end, from: this.fractionOf(start), to: this.fractionOf(end), broken: anyBroken && end - start > BREAK_FROM_MS }))
      .filter(({ from, to }) => to - from >= least);
  }

  /** @param {(each: Break) => boolean} holds  true up to some break, false from there on */
  #lastBreak(holds) {
    return this.breaks[lastWhere(this.breaks.length, (index) => holds(/** @type {Break} */ (this.breaks[index])))];
  }
}

/**
 * Where breaks are marked, so that the marks can be told apart: at both ends of a break, in the middle of a narrow one,
 * and not at all where the mark before it is too near.
 *
 * @param {readonly DrawnGap[]} gaps  in order
 * @param {number} apart  a fraction
 * @returns {number[]} fractions
 */
export function breakMarks(gaps, apart) {
  /** @type {number[]} */
  const places = [];
  for (const { from, to } of gaps.filter((gap) => gap.broken)) {
    for (const place of to - from < apart ? [(from + to) / 2] : [from, to]) {
      if (place - (places.at(-1) ?? -Infinity) >= apart) places.push(place);
    }
  }
  return places;
}

/** How long all gaps are together. @param {Pairs} gaps */
function silenceIn({ numbers }) {
  let sum = 0;
  for (let at = 0; at < numbers.length; at += 2) sum += (numbers[at + 1] ?? 0) - (numbers[at] ?? 0);
  return sum;
}

/**
 * @param {Pairs} gaps
 * @param {number} leastMs
 * @returns {{ start: number, end: number }[]}
 */
function longerThan({ numbers }, leastMs) {
  const found = [];
  for (let at = 0; at < numbers.length; at += 2) {
    const start = numbers[at] ?? 0;
    const end = numbers[at + 1] ?? 0;
    if (end - start > leastMs) found.push({ start, end });
  }
  return found;
}

/**
 * @param {readonly { start: number, end: number }[]} gaps
 * @param {number} width
 * @param {number} unit
 * @returns {Break[]}
 */
function placed(gaps, width, unit) {
  let saved = 0; // recorded time of the breaks so far, which takes `width` each instead
  return gaps.map(({ start, end }, index) => {
    const from = (start - saved) * unit + index * width;
    saved += end - start;
    return { start, end, from, to: from + width };
  });
}
