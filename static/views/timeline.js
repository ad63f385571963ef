/**
 * The seek bar: recorded time from left to right, with what happened drawn on it.
 *
 * @import { Density, Hit, Marker, MarkerKind } from '../protocol.js'
 * @import { PlayerStore, ReplayState } from '../player-store.js'
 */

import { densityPath } from '../density.js';
import { clear, el, replaceChildren, setAttribute, svg } from '../dom.js';
import { clock, oneLine, span } from '../format.js';
import { inFrame, inLaterFrame } from '../frames.js';
import { END_MS } from '../player-store.js';
import { breakMarks, TimeScale } from '../timescale.js';
import { Pairs } from '../pairs.js';
import { plain, turnAt } from '../turns.js';

/** While dragging, the server is asked to follow at most this often. */
const SCRUB_MS = 150;

const STEP_MS = 5_000;
const PAGE_MS = 60_000;

/** The pointer finds a marker from this far. */
const REACH_PX = 6;

/** From which lengths on a silence is drawn more and more plainly: an agent that thinks for 4 s is not idle. */
const GAP_WEIGHTS = /** @type {const} */ ([[30_000, 'long'], [10_000, 'middling'], [0, 'short']]);

/** How fast the bar takes in what has grown: the share of the way in a frame, and when it has arrived. */
const GROWTH_EASE = 0.2;
const GROWN_MS = 20;
/** With more marks than this it takes it in at once, and at most so often: placing them all takes a good part of a frame. */
const MAX_GLIDING_MARKS = 300;
const GROWTH_MS = 250;

/**
 * @typedef {MarkerKind | 'hit'} MarkKind  the server's markers, and what was looked for
 * @typedef {{ seq: number, t_ms: number, kind: MarkKind, label: string }} Mark
 */

/** How marks stand: their lane, how near two of a kind may come, and in whose favour marks of a lane make room. */
const MARKS = /** @type {const} */ ({
  error: { lane: 'above', apart: 9, rank: 0 },
  turn: { lane: 'above', apart: 9, rank: 1 },
  compaction: { lane: 'above', apart: 10, rank: 2 },
  plan: { lane: 'above', apart: 10, rank: 3 },
  subagent: { lane: 'above', apart: 10, rank: 4 },
  tool: { lane: 'below', apart: 5, rank: 5 },
  hit: { lane: 'across', apart: 3, rank: -1 },
});

/** @type {Record<MarkKind, string>} */
export const MARK_WORDS = {
  turn: 'Turn', tool: 'Tool call', error: 'Error', plan: 'Plan', compaction: 'Compaction', subagent: 'Subagent', hit: 'Found',
};

const ABOVE_Y = 9;
const TRACK_Y = 22;
const TRACK_HEIGHT = 6;
const BELOW_Y = 35;
const DENSITY_HEIGHT = 10;

/** @type {Density} */
const NO_DENSITY = { bucket_ms: 0, counts: [] };
const NO_GAPS = Pairs.of([]);

/** A gap that is narrower than this is not seen. */
const GAP_PX = 1.5;

/** Marks of breaks that are nearer to each other than this run into one. */
const BREAK_PX = 8;

/** A break that is wider than this has room for how long it was. */
const WORDS_PX = 34;

export class Timeline {
  node;
  #store;
  #bar;
  #drawing;
  /** What lies behind the marks. */
  #ground;
  #marks;
  #fill;
  #thumb;
  #ghost;
  #preview;
  #scale = new TimeScale(0, NO_GAPS);
  /** What the marks were drawn for. @type {{ width: number, durationMs: number, timeline: ReplayState['timeline'], found: ReplayState['found'] } | null} */
  #drawn = null;
  #drawnAt = 0;
  #width = 0;
  /** Those of the session and those that were looked for, the most telling first. @type {readonly Mark[]} */
  #ranked = [];
  /** What they were ranked from. @type {{ markers?: NonNullable<ReplayState['timeline']>['markers'] | undefined, found: ReplayState['found'] }} */
  #rankedFor = { found: null };
  /** Those that there is room for. @type {readonly Mark[]} */
  #markers = [];
  /** Where the pointer was when the preview was drawn, as long as it shows. @type {PointerEvent | null} */
  #pointed = null;
  #labelled = 0;
  /** Where a drag is. @type {number | null} */
  #dragMs = null;
  #scrubbedAt = 0;
  #spoken = '';

  /** @param {PlayerStore} store */
  constructor(store) {
    this.#store = store;
    this.#ground = svg('g');
    this.#marks = svg('g');
    this.#drawing = svg('svg', { class: 'marks', 'aria-hidden': 'true' }, this.#ground, this.#marks);
    this.#fill = el('div', { class: 'fill' });
    this.#ghost = el('div', { class: 'ghost' });
    this.#thumb = el('div', { class: 'thumb' });
    this.#preview = el('div', { class: 'preview', hidden: true, attrs: { 'aria-hidden': 'true' } });
    this.#bar = el('div', {
      class: 'seek',
      attrs: { role: 'slider', tabindex: 0, 'aria-label': 'Position in the session', 'aria-valuemin': 0, 'aria-valuemax': 0, 'aria-valuenow': 0 },
      on: {
        pointerdown: (event) => this.#grab(event),
        pointermove: (event) => this.#move(event),
        pointerup: (event) => this.#drop(event),
        pointercancel: () => this.#letGo(),
        pointerleave: () => this.#hidePreview(),
        keydown: (event) => this.#key(event),
      },
    }, el('div', { class: 'track' }, this.#ghost, this.#fill), this.#drawing, this.#thumb);
    this.node = el('div', { class: 'timeline' }, this.#bar, this.#preview);
    new ResizeObserver(() => {
      this.#width = this.#bar.clientWidth;
      this.#redraw(this.#store.getState());
    }).observe(this.#bar);
  }

  /** @param {ReplayState} state */
  update(state) {
    if (state.timeline && !this.#drawn?.timeline && this.#width > 0) inFrame(this.#drawArrived); // much to draw
    else this.#redraw(state);
    if (state.labelled !== this.#labelled) {
      this.#labelled = state.labelled;
      if (this.#pointed) this.#showPreview(this.#pointed);
    }
    this.tick();
  }

  /** Moves what moves with time. */
  tick() {
    const { durationMs, timeline, phase } = this.#store.getState();
    if (this.growing) this.#redraw(this.#store.getState());
    const position = this.#dragMs ?? this.#store.position();
    const fraction = this.#scale.fractionOf(position);
    // Not on the bar: all its marks would inherit it, and be styled anew in every frame.
    for (const node of [this.#fill, this.#thumb]) node.style.setProperty('--at', String(fraction));
    const turn = turnAt(timeline, position);
    const where = turn ? `turn ${turn.number}, ` : '';
    const spoken = phase === 'ready' ? `${where}${clock(position)} of ${clock(durationMs)}` : 'not loaded yet';
    if (spoken === this.#spoken) return;
    this.#spoken = spoken;
    setAttribute(this.#bar, 'aria-valuenow', Math.floor(position / 1000));
    setAttribute(this.#bar, 'aria-valuetext', spoken);
  }

  /** Whether the position shown is the pointer's, not playback's. @returns {number | null} */
  get dragMs() {
    return this.#dragMs;
  }

  // ------------------------------------------------------------------------------------------------------ drawing

  /** Whether the bar is on its way to a length that it was told of. */
  get growing() {
    const { durationMs, timeline, live } = this.#store.getState();
    return live && this.#drawn !== null && (durationMs > this.#drawn.durationMs || timeline !== this.#drawn.timeline);
  }

  /**
   * Whether what has grown can wait: a tick comes back to it.
   *
   * @param {ReplayState} state
   */
  #waits({ found }) {
    if (!this.growing || this.#ranked.length <= MAX_GLIDING_MARKS) return false;
    const onlyGrown = this.#drawn?.width === this.#width && this.#drawn.found === found;
    return onlyGrown && performance.now() < this.#drawnAt + GROWTH_MS;
  }

  /** @param {ReplayState} state */
  #redraw(state) {
    if (this.#waits(state)) return;
    const { durationMs: wholeMs, timeline, found } = state;
    const width = this.#width;
    const before = this.#drawn;
    const durationMs = this.#lengthNow(wholeMs);
    if (width === 0 || (before?.width === width && before.durationMs === durationMs && before.timeline === timeline && before.found === found)) return;
    this.#drawn = { width, durationMs, timeline, found };
    this.#drawnAt = performance.now();
    this.#scale = new TimeScale(durationMs, timeline?.gaps ?? NO_GAPS);
    setAttribute(this.#bar, 'aria-valuemax', Math.floor(wholeMs / 1000));
    setAttribute(this.#drawing, 'viewBox', `0 0 ${width} 44`);
    const density = densityPath(timeline?.density ?? NO_DENSITY, (tMs) => this.#scale.fractionOf(tMs) * width, TRACK_Y, DENSITY_HEIGHT);
    replaceChildren(this.#ground, hatching(), svg('path', { class: 'density', d: density }), ...this.#gaps(width));
    if (timeline && !before?.timeline) inLaterFrame(this.#drawMarks);
    else this.#drawMarks();
  }

  #drawArrived = () => this.#redraw(this.#store.getState());

  #drawMarks = () => {
    if (!this.#drawn) return;
    const { width, timeline, found } = this.#drawn;
    if (timeline?.markers !== this.#rankedFor.markers || found !== this.#rankedFor.found) {
      this.#rankedFor = { markers: timeline?.markers, found };
      this.#ranked = ranked(timeline?.markers ?? [], found?.items ?? []);
    }
    this.#markers = thin(this.#ranked, this.#scale, width);
    replaceChildren(this.#marks, ...this.#markers.map((marker) => mark(marker.kind, this.#scale.fractionOf(marker.t_ms) * width)));
  };

  /**
   * A session that grows makes the bar shorter for what there was: little by little, so that nothing jumps.
   *
   * @param {number} wholeMs
   */
  #lengthNow(wholeMs) {
    const drawnMs = this.#drawn?.durationMs ?? 0;
    const left = wholeMs - drawnMs;
    const glides = this.growing && drawnMs > 0 && left < drawnMs && this.#ranked.length <= MAX_GLIDING_MARKS;
    return glides && left > GROWN_MS && !matchMedia('(prefers-reduced-motion: reduce)').matches ? drawnMs + left * GROWTH_EASE : wholeMs;
  }

  /** @param {number} width */
  #gaps(width) {
    const gaps = this.#scale.widerThan(GAP_PX / width);
    const zones = gaps.flatMap((gap) => {
      const [from, to, lengthMs] = [gap.from * width, gap.to * width, gap.end - gap.start];
      const weight = GAP_WEIGHTS.find(([least]) => lengthMs >= least)?.[1] ?? 'short';
      const zone = svg('rect', { class: `gap ${weight}`, x: from, y: TRACK_Y, width: to - from, height: TRACK_HEIGHT });
      return gap.broken && to - from > WORDS_PX ? [zone, breakWords((from + to) / 2, lengthMs)] : [zone];
    });
    return [...zones, ...breakMarks(gaps, BREAK_PX / width).map((place) => zigzag(place * width))];
  }

  // ------------------------------------------------------------------------------------------------------ pointer

  /** @param {PointerEvent} event */
  #grab(event) {
    if (event.button !== 0 || this.#store.getState().phase !== 'ready') return;
    this.#bar.setPointerCapture(event.pointerId);
    this.#bar.classList.add('dragging');
    this.#dragMs = this.#timeUnder(event);
    this.#scrubbedAt = event.timeStamp;
    this.#showPreview(event);
    this.tick();
  }

  /** @param {PointerEvent} event */
  #move(event) {
    this.#showPreview(event);
    if (this.#dragMs === null) return;
    this.#dragMs = this.#timeUnder(event);
    this.tick();
    if (event.timeStamp - this.#scrubbedAt < SCRUB_MS) return;
    this.#scrubbedAt = event.timeStamp;
    this.#store.dispatch({ type: 'seek', tMs: this.#dragMs });
  }

  /** @param {PointerEvent} event */
  #drop(event) {
    if (this.#dragMs === null) return;
    const tMs = this.#timeUnder(event);
    const marker = this.#markerUnder(event);
    this.#letGo();
    if (marker?.kind === 'hit') this.#store.dispatch({ type: 'show', seq: marker.seq });
    else if (marker && marker.kind !== 'tool') this.#store.dispatch({ type: 'go-to', seq: marker.seq });
    else this.#store.dispatch({ type: 'seek', tMs });
    if (event.pointerType === 'touch') this.#hidePreview();
  }

  #letGo() {
    this.#dragMs = null;
    this.#bar.classList.remove('dragging');
  }

  /** @param {PointerEvent} event */
  #timeUnder(event) {
    const box = this.#bar.getBoundingClientRect();
    return this.#scale.timeAt((event.clientX - box.left) / box.width);
  }

  /**
   * @param {PointerEvent} event
   * @returns {Mark | null}
   */
  #markerUnder(event) {
    const box = this.#bar.getBoundingClientRect();
    const x = event.clientX - box.left;
    let best = null;
    let nearest = REACH_PX;
    for (const marker of this.#markers) {
      const away = Math.abs(this.#scale.fractionOf(marker.t_ms) * box.width - x);
      if (away > nearest || (away === nearest && best && MARKS[best.kind].rank < MARKS[marker.kind].rank)) continue;
      best = marker;
      nearest = away;
    }
    return best;
  }

  // ------------------------------------------------------------------------------------------------------ preview

  /** @param {PointerEvent} event */
  #showPreview(event) {
    const { phase, timeline } = this.#store.getState();
    if (phase !== 'ready') return;
    this.#pointed = event;
    const box = this.#bar.getBoundingClientRect();
    const marker = this.#markerUnder(event);
    const tMs = marker ? marker.t_ms : this.#timeUnder(event);
    const x = marker ? this.#scale.fractionOf(marker.t_ms) * box.width : Math.max(0, Math.min(event.clientX - box.left, box.width));
    const silenceMs = marker ? 0 : silenceAt(timeline?.gaps ?? NO_GAPS, tMs);
    clear(this.#preview);
    this.#preview.append(el('span', { class: 'preview-time', text: clock(tMs) }));
    if (marker && marker.kind !== 'turn') this.#line(MARK_WORDS[marker.kind], marker.label, `kind-${marker.kind}`);
    else if (silenceMs > 0) this.#line(`${span(silenceMs)} of silence`, '', 'kind-gap');
    const turn = turnAt(timeline, tMs);
    if (turn) this.#line(`Turn ${turn.number}`, turn.label ?? '', 'kind-turn');
    if (turn?.label === null) this.#store.dispatch({ type: 'load-turns', from: turn.number - 1, to: turn.number });
    this.#preview.hidden = false;
    const half = this.#preview.offsetWidth / 2;
    this.#preview.style.setProperty('--x', `${Math.max(half, Math.min(x, box.width - half))}px`);
    this.#ghost.style.setProperty('--hover', String(box.width ? x / box.width : 0));
    this.#bar.classList.add('hovered');
  }

  /**
   * @param {string} words
   * @param {string} label
   * @param {string} kind
   */
  #line(words, label, kind) {
    this.#preview.append(el('span', { class: `preview-line ${kind}` }, el('b', { text: words }), label ? ` ${oneLine(plain(label), 90)}` : null));
  }

  #hidePreview() {
    if (this.#dragMs !== null) return;
    this.#pointed = null;
    this.#preview.hidden = true;
    this.#bar.classList.remove('hovered');
  }

  // ----------------------------------------------------------------------------------------------------- keyboard

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    /** @type {Record<string, number>} */
    const moves = {
      ArrowLeft: -STEP_MS, ArrowDown: -STEP_MS, ArrowRight: STEP_MS, ArrowUp: STEP_MS, PageDown: -PAGE_MS, PageUp: PAGE_MS,
    };
    const ends = event.key === 'Home' ? 0 : event.key === 'End' ? END_MS : null;
    const by = moves[event.key];
    if (ends !== null) this.#store.dispatch({ type: 'seek', tMs: ends });
    else if (by !== undefined) this.#store.dispatch({ type: 'seek-by', ms: by });
    else return;
    event.preventDefault();
  }
}

/**
 * @param {Pairs} gaps
 * @param {number} tMs
 * @returns {number} the length of the gap that holds it, 0 where none does
 */
function silenceAt(gaps, tMs) {
  const index = gaps.lastByFirst(tMs);
  return index >= 0 && gaps.first(index) < tMs && tMs < gaps.second(index) ? gaps.second(index) - gaps.first(index) : 0;
}

/**
 * The more telling ones first.
 *
 * @param {readonly Marker[]} markers
 * @param {readonly Hit[]} hits
 * @returns {Mark[]}
 */
function ranked(markers, hits) {
  /** @type {Mark[]} */
  const found = hits.map(({ seq, t_ms, snippet }) => ({ seq, t_ms, kind: 'hit', label: snippet.map((piece) => piece.text).join('') }));
  const known = markers.filter((each) => each.kind in MARKS);
  return [...found, ...known].sort((a, b) => MARKS[a.kind].rank - MARKS[b.kind].rank || a.seq - b.seq);
}

/**
 * As many marks as can be told apart, the more telling ones first.
 *
 * @param {readonly Mark[]} byRank
 * @param {TimeScale} scale
 * @param {number} width
 * @returns {Mark[]}
 */
function thin(byRank, scale, width) {
  /** Which pixels are taken: there are thousands of marks to find room for. */
  const lanes = { above: new Uint8Array(width + 1), below: new Uint8Array(width + 1), across: new Uint8Array(width + 1) };
  const kept = [];
  for (const marker of byRank) {
    const { lane, apart } = MARKS[marker.kind];
    const x = Math.round(scale.fractionOf(marker.t_ms) * width);
    const taken = lanes[lane];
    const nearest = taken.indexOf(1, Math.max(0, x - apart + 1));
    if (nearest >= 0 && nearest < x + apart) continue;
    taken[x] = 1;
    kept.push(marker);
  }
  return kept.reverse(); // the most telling are drawn last, on top
}

/** Diagonal lines, for silence. */
function hatching() {
  const line = svg('path', { class: 'hatch', d: 'M-1,1 l2,-2 M0,5 l5,-5 M4,6 l2,-2' });
  return svg('defs', {}, svg('pattern', { id: 'hatching', width: 5, height: 5, patternUnits: 'userSpaceOnUse' }, line));
}

/** @param {number} x @param {number} ms  how long the break was */
function breakWords(x, ms) {
  return svg('text', { class: 'break-words', x, y: BELOW_Y + 6, 'text-anchor': 'middle' }, span(ms).replace(/ (?:\d+ s|\d+ min)$/, ''));
}

/** @param {number} x */
function zigzag(x) {
  return svg('path', { class: 'break-line', d: `M${x - 2},${TRACK_Y - 4} l3,${TRACK_HEIGHT / 2 + 2} l-3,3 l3,${TRACK_HEIGHT / 2 + 2}` });
}

/**
 * Each kind has a shape of its own, so that colour is not all that tells them apart.
 *
 * @param {MarkKind} kind
 * @param {number} x
 */
export function mark(kind, x, y = ABOVE_Y) {
  const name = `mark mark-${kind}`;
  switch (kind) {
    case 'turn':
      return svg('path', { class: name, d: `M${x},${y + 9} v-9 m-3.5,0 a3.5,3.5 0 1 0 7,0 a3.5,3.5 0 1 0 -7,0` });
    case 'error':
      return svg('path', { class: name, d: `M${x},${y + 7} l-5,-9 h10 z` });
    case 'plan':
      return svg('rect', { class: name, x: x - 3.5, y: y - 3.5, width: 7, height: 7, rx: 1 });
    case 'compaction':
      return svg('path', { class: name, d: `M${x - 4},${y - 4} h8 l-8,8 h8 z` });
    case 'subagent':
      return svg('circle', { class: name, cx: x, cy: y, r: 3.5 });
    case 'hit':
      return svg('rect', { class: name, x: x - 1.5, y: y === ABOVE_Y ? TRACK_Y - 4 : y - 6, width: 3, height: TRACK_HEIGHT + 8, rx: 1.5 });
    default:
      return svg('rect', { class: name, x: x - 1, y: y === ABOVE_Y ? BELOW_Y - 2 : y - 2, width: 2, height: 5, rx: 1 });
  }
}
