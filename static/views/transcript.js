/**
 * The conversation so far: a window of the session that ends where playback is.
 *
 * Drawn in slices of a frame, at most a few hundred messages at a time: older ones are taken out and come back by
 * scrolling up. After a seek the new window is drawn aside and put in place in one go, so nothing flickers.
 *
 * @import { Api } from '../api.js'
 * @import { Envelope, Hit, Part } from '../protocol.js'
 * @import { PlayerStore, ReplayState } from '../player-store.js'
 * @import { Context, FarCall, Place } from '../renderers/index.js'
 * @import { Settings } from '../settings.js'
 */

import { clear, el, fragment, icon } from '../dom.js';
import { clock, count, span } from '../format.js';
import { inFrame, inLaterFrame } from '../frames.js';
import { createContext, endRunning, forget, refreshCalls, renderMessage } from '../renderers/index.js';
import { adoptCall } from '../renderers/tool-result.js';
import { markersOf } from '../live-timeline.js';
import { toldSpent, turnBefore } from '../turns.js';
import { spentBetween, spentWords } from '../usage.js';
import { Follower } from './follow.js';
import { markWords, openWords } from './found-words.js';
import { Lane } from './lane.js';
import { MessageActions } from './message-actions.js';
import { joinVoices } from './voices.js';

/** Messages kept in the document, and how many characters they may hold: both cost time with every layout. */
const MAX_NODES = 90;
/** A session of so few events is whole in the document, where the browser can search, select and print it. */
const WHOLE_EVENTS = 140;
const MAX_CHARACTERS = 1_500_000;
/** How many go at once when there are more. */
const TRIM_NODES = 20;
/**
 * How tall a short message is, in CSS pixels: as many as fill the window are drawn before the position after a seek,
 * about, from the beginning of a turn where one is near.
 */
const MESSAGE_PX = 64;
/** As fast as possible, nobody looks back while they fly by. */
const WINDOW_EVENTS_FAST = 9;
/** Fewer, down to the second number, where they hold more characters than this. */
const WINDOW_CHARACTERS = 300_000;
const WINDOW_LEAST = 6;
/** Events that stand before the position soon after, some put there in each frame: something to look back at. */
const BEFORE_EVENTS = 80;
/** Events that come back at a time, at most: fewer where drawing them takes longer than a slice. */
const EXTEND_EVENTS = 4;
/** Pages of history that a window is worth: events may be so large that the log does not hold as many. */
const MAX_PAGES = 6;
/** Pages of history in which the call of a result is looked for that is drawn without it. */
const CALL_PAGES = 5;
/** Events of such a page. */
const CALL_EVENTS = 200;
/** Playback this far ahead is not drawn up to, but drawn anew; as fast as possible, nobody reads what flies by. */
const MAX_BEHIND = 240;
const MAX_BEHIND_FAST = 40;
/** As fast as possible, the page is drawn so often: drawing each frame would leave no time to receive. */
const FAST_DRAW_MS = 250;
/** Drawing time in one frame: what was drawn is then laid out and painted, which takes several times as long. */
const SLICE_MS = 4;
/** A silence this long is told in the conversation even when it was waited for; a shorter one only when it was cut. */
const TOLD_GAP_MS = 60_000;
/** One that was cut but shorter than this is no news. */
const TOLD_SKIP_MS = 15_000;
/** What grows this soon after a click inside the conversation grows because of it. */
const READING_MS = 600;
/** The words that were found are marked anew this long after something has changed. */
const MARKING_MS = 120;
/** From this speed on, gliding would lag behind. */
const GLIDE_UP_TO_SPEED = 8;

/**
 * @typedef {{ seq: number, nodes: HTMLElement[], weight: number }} Item
 * @typedef {{ items: Item[], first: number, low: number, next: number, end: number, context: Context, aside: DocumentFragment }} Build
 */

export class Transcript {
  node;
  #store;
  #settings;
  #api;
  #actions;
  #scroller;
  #messages;
  #head;
  #tail;
  #pill;
  #follower;
  /** @type {Context} */
  #context;

  /** The events drawn, in order; `#low` is the first, `#high` the one after the last. @type {Item[]} */
  #items = [];
  #low = 0;
  #high = 0;

  /** Whether the window has to be drawn anew. */
  #stale = true;
  /** A new window while it is drawn aside. @type {Build | null} */
  #build = null;
  #rewinds = -1;
  /** What the numbers of the events belong to. */
  #numbering = '';
  /** Pages of history asked for since the last seek. */
  #pages = 0;
  /** The frame in which the last seek's window was put in place. @type {CSSNumberish | null} */
  #swapped = null;
  #extending = false;
  /** How many events come back at a time here. */
  #extendBy = 2;
  /** The first event that is to be drawn without being scrolled to. */
  #fillFrom = 0;
  /** @type {HTMLElement | null} */
  #newest = null;
  #readingUntil = 0;
  #drawnAt = 0;
  #waiting = false;
  #tailShown = '';
  #headShown = '';
  #pillShown = '';
  /** So many digits the gutter has room for. */
  #clockDigits = 0;
  /** Calls that are looked for, by id. @type {Map<string, { place: Place, context: Context, pages: number }>} */
  #wanted = new Map();
  /** Where the reader left the end: what has come since is new. @type {number | null} */
  #leftAt = null;
  /** @type {ReplayState['found']} */
  #found = null;
  /** By the number of the event. @type {ReadonlyMap<number, Hit>} */
  #hits = new Map();
  /** Text that comes, opens or gets its colours while there are words to be marked in it. */
  #changes = new MutationObserver(() => this.#markWordsSoon());
  #marking = 0;
  /** Where the reader was led to the words last. */
  #ledTo = '';
  /** @type {ReplayState['children'] | null} */
  #children = null;

  /**
   * @param {PlayerStore} store
   * @param {Settings} settings
   * @param {Api} api
   * @param {(seq: number, tMs: number) => void} copyLink  a link to an event
   */
  constructor(store, settings, api, copyLink) {
    this.#store = store;
    this.#settings = settings;
    this.#api = api;
    this.#actions = new MessageActions((seq) => store.log.get(seq), copyLink);
    this.#context = this.#newContext();
    this.#head = el('div', { class: 'transcript-head' });
    this.#messages = el('div', { class: 'messages' });
    this.#tail = el('div', { class: 'transcript-tail' });
    const column = el('div', { class: 'transcript' }, this.#head, this.#messages, this.#tail);
    this.#scroller = el('div', {
      class: 'scroller',
      attrs: { tabindex: 0, role: 'region', 'aria-label': 'Conversation' },
      on: {
        click: (event) => this.#clicked(event),
        // Not `pointerover`: that comes too when a message slides under a pointer at rest.
        pointermove: (event) => this.#actions.moveTo(event.target),
        pointerdown: (event) => this.#actions.moveTo(event.target),
        focusin: (event) => this.#actions.moveTo(event.target),
      },
    }, column);
    this.#pill = el('button', {
      class: 'pill', hidden: true, attrs: { type: 'button' }, on: { click: () => this.jumpToNow() },
    });
    this.node = el('div', { class: 'stage' }, this.#scroller, this.#pill);
    this.#follower = new Follower(this.#scroller, () => this.#request());
    new ResizeObserver(() => this.#grown()).observe(column);
  }

  /**
   * To be called in a frame: what has come is drawn in it, not in the next one.
   *
   * @param {ReplayState} state
   */
  update(state) {
    if (state.returning) return; // what was there before a reset stays, until there is something to take its place
    const numbering = `${state.epoch} ${state.meta}`;
    if (numbering !== this.#numbering) {
      this.#numbering = numbering;
      this.#stale = true;
    }
    if (state.rewinds !== this.#rewinds) {
      this.#rewinds = state.rewinds;
      this.#rewound(state.cursor);
    }
    if (state.found !== this.#found) this.#markFound(state.found);
    if (state.children !== this.#children) this.#joinChildren(state.children);
    if (this.#wanted.size > 0 && !state.loading) this.#findWanted(state);
    this.#fitClocks(state);
    inFrame(this.#work);
  }

  /** Every clock has room beside its message: the last is the longest. @param {ReplayState} state */
  #fitClocks({ durationMs }) {
    const digits = clock(durationMs).replaceAll(':', '').length + 1; // the colons together are as wide as one
    if (digits === this.#clockDigits) return;
    this.#clockDigits = digits;
    this.node.style.setProperty('--clock-digits', String(digits));
  }

  /** Folds all thoughts, or unfolds them, now and from now on. @param {boolean} open */
  showThinking(open) {
    this.#settings.thinking = open;
    this.#follower.keepInPlace(this.#messages, () => {
      for (const node of this.#messages.querySelectorAll('details.part-thinking')) /** @type {HTMLDetailsElement} */ (node).open = open;
    });
  }

  /** Back to where playback is, following it again. */
  jumpToNow() {
    const { cursor } = this.#store.getState();
    if (cursor - this.#high > MAX_BEHIND) this.#stale = true;
    this.#follower.follow();
    this.#follower.reveal(this.#newest, 'instant');
    this.#request();
  }

  /** Whether it is drawing where a seek has led, in this frame too. */
  get drawsAnew() {
    return this.#stale || this.#build !== null || this.#swapped === document.timeline.currentTime;
  }

  // ------------------------------------------------------------------------------------------------------ drawing

  #request() {
    inLaterFrame(this.#work);
  }

  /** One slice a frame, however many ask for it: each ends with a look at the layout, which costs the most. */
  #work = () => {
    const until = performance.now() + SLICE_MS;
    const state = this.#store.getState();
    if (state.phase !== 'ready' || state.returning || this.#rushing(state)) return;
    const behind = state.mode === 'fast' ? MAX_BEHIND_FAST : MAX_BEHIND;
    if (this.#follower.following && state.cursor - this.#high > behind) this.#stale = true;
    if (this.#stale) this.#rebuild(state, until);
    else this.#extend(state, until);
    this.#drawHead(state);
    this.#drawTail(state);
    this.#noteLeaving(state);
    this.#drawPill(state);
    this.#leadToWords(state);
  };

  /** @param {ReplayState} state */
  #noteLeaving({ cursor }) {
    if (this.#follower.following || this.#follower.atEnd) this.#leftAt = null;
    else this.#leftAt = Math.min(this.#leftAt ?? cursor, cursor);
  }

  /**
   * Whether drawing has to wait, so that as much as possible is received.
   *
   * @param {ReplayState} state
   */
  #rushing(state) {
    if (!rushes(state) || this.#build) return false;
    const wait = this.#drawnAt + FAST_DRAW_MS - performance.now();
    if (wait <= 0) this.#drawnAt = performance.now();
    else if (!this.#waiting) {
      this.#waiting = true;
      setTimeout(() => {
        this.#waiting = false;
        this.#request();
      }, wait);
    }
    return wait > 0;
  }

  /** @param {number} cursor  where a seek has led to */
  #rewound(cursor) {
    this.#build = null;
    this.#wanted.clear();
    this.#pages = 0;
    const near = cursor >= this.#low && cursor <= this.#high && (this.#low <= this.#store.getState().first || cursor - this.#low >= 10);
    this.#follower.follow(); // first: only who follows is led there
    if (this.#stale || !near) this.#stale = true;
    else this.#cut(cursor);
  }

  /**
   * Draws the window before the cursor aside, a slice a call, and puts it in place when it is whole.
   *
   * @param {ReplayState} state
   * @param {number} until
   */
  #rebuild(state, until) {
    const build = (this.#build ??= this.#beginBuild(state));
    if (!build) return;
    // To put it in place is a frame's work of its own: all of it is laid out then.
    if (build.next === build.end) return this.#swap(build);
    while (build.next < build.end && performance.now() < until) {
      const envelope = this.#store.log.get(build.next);
      if (!envelope) return void (this.#build = null);
      const item = this.#draw(envelope, build.context);
      build.items.push(item);
      build.aside.append(...item.nodes);
      item.nodes.forEach(joinVoices);
      build.next += 1;
    }
    this.#request();
  }

  /** @param {ReplayState} state */
  #beginBuild(state) {
    const { cursor, loading, loadError } = state;
    let low = this.#turnNear(state, rushes(state) ? WINDOW_EVENTS_FAST : Math.ceil(innerHeight / MESSAGE_PX));
    const first = this.#turnNear(state, BEFORE_EVENTS);
    if (!this.#store.log.holds(first, cursor)) {
      if (loading) return null;
      if (!loadError && this.#pages < MAX_PAGES) {
        this.#pages += 1;
        this.#store.dispatch({ type: 'load', from: first, to: cursor });
        return null;
      }
      low = (this.#store.log.lastMissing(low, cursor) ?? low - 1) + 1; // what there is, rather than nothing
    }
    low = this.#lightest(low, cursor);
    return { items: [], first: Math.min(low, this.#lightest(first, cursor)), low, next: low, end: cursor, context: this.#newContext(), aside: fragment() };
  }

  /**
   * @param {number} low
   * @param {number} cursor
   * @returns {number} `low`, or later where the events from there hold too much
   */
  #lightest(low, cursor) {
    let weight = 0;
    for (let seq = cursor - 1; seq >= low; seq--) {
      weight += this.#store.log.weightOf(seq);
      if (weight > WINDOW_CHARACTERS && seq <= cursor - WINDOW_LEAST) return seq;
    }
    return low;
  }

  /** @param {Build} build */
  #swap({ items, first, low, end, context, aside }) {
    clear(this.#messages);
    this.#messages.append(aside);
    this.#items = items;
    this.#low = low;
    this.#high = end;
    this.#fillFrom = first;
    this.#context = context;
    this.#build = null;
    this.#pages = 0;
    this.#stale = false;
    this.#swapped = document.timeline.currentTime;
    this.#follower.follow();
    this.#mark(this.#lastNode(), 'instant');
    this.#request();
  }

  /**
   * Adds what has happened since, and what a reader who scrolls wants to see again.
   *
   * @param {ReplayState} state
   * @param {number} until
   */
  #extend(state, until) {
    if (this.#follower.following) this.#append(state, state.cursor, until);
    else if (this.#follower.atEnd && this.#high < state.cursor) this.#appendMore(state, until);
    else if (this.#follower.cameBack && this.#high === state.cursor) this.#follower.follow();
    else if (!this.#full(0)) this.#append(state, state.cursor, until);
    if (!this.#follower.following && this.#follower.atStart) this.earlier();
    else this.#fill(state);
  }

  /**
   * Puts some events before those that a seek has led to, once there is nothing else to do.
   *
   * @param {ReplayState} state
   */
  #fill(state) {
    if (this.#low <= this.#fillFrom || this.#high < state.cursor || rushes(state)) return;
    const from = Math.max(this.#fillFrom, this.#low - this.#extendBy);
    if (this.#store.log.holds(from, this.#low)) this.#follower.keepInPlace(this.#messages, () => this.#prepend(from));
    else this.#fillFrom = this.#low; // too much at once: they come when they are scrolled to
    this.#request();
  }

  /**
   * @param {ReplayState} state
   * @param {number} to
   * @param {number} until
   */
  #append(state, to, until) {
    const before = this.#high;
    const { following } = this.#follower;
    // What is written right now is shown at once.
    const glide = state.status !== 'live' && state.mode === 'realtime' && state.speed <= GLIDE_UP_TO_SPEED && !reducedMotion();
    const add = () => this.#addUpTo(to, until, state, glide);
    if (following && this.#full(0)) {
      this.#follower.keepInPlace(this.#messages, () => {
        add();
        this.#trimTop();
      });
    } else add();
    if (this.#high === before) return;
    this.#mark(this.#lastNode(), glide ? 'smooth' : 'instant');
    if (this.#high < to) this.#request();
  }

  /**
   * @param {number} to
   * @param {number} until
   * @param {ReplayState} state
   * @param {boolean} gently
   */
  #addUpTo(to, until, { loadError }, gently) {
    while (this.#high < to && performance.now() < until) {
      const envelope = this.#store.log.get(this.#high);
      if (!envelope) {
        if (!loadError) this.#store.dispatch({ type: 'load', from: this.#high, to });
        break;
      }
      const item = this.#draw(envelope, this.#context);
      if (gently) for (const node of item.nodes) node.classList.add('arrives');
      this.#items.push(item);
      this.#messages.append(...item.nodes);
      item.nodes.forEach(joinVoices);
      this.#high += 1;
    }
  }

  /**
   * @param {ReplayState} state
   * @param {number} until
   */
  #appendMore(state, until) {
    this.#append(state, Math.min(state.cursor, this.#high + EXTEND_EVENTS), until);
    if (this.#full(0)) this.#follower.keepInPlace(this.#messages, () => this.#trimTop());
  }

  /** Brings back events before those that are drawn. */
  earlier() {
    const state = this.#store.getState();
    if (this.#low <= state.first || this.#stale || this.#extending || state.loading || state.loadError) return;
    const from = Math.max(state.first, this.#low - this.#extendBy);
    if (!this.#store.log.holds(from, this.#low)) {
      this.#store.dispatch({ type: 'load', from, to: this.#low });
      return;
    }
    this.#extending = true;
    this.#follower.keepInPlace(this.#messages, () => {
      this.#prepend(from);
      this.#trimBottom();
    });
    this.#extending = false;
    this.#request();
  }

  /** @param {number} from */
  #prepend(from) {
    const began = performance.now();
    const items = [];
    const calls = new Set();
    for (let seq = from; seq < this.#low; seq++) {
      const envelope = this.#store.log.get(seq);
      if (!envelope) continue;
      for (const id of callsOf(envelope)) calls.add(id);
      items.push(this.#draw(envelope, this.#context));
    }
    const nodes = items.flatMap((item) => item.nodes);
    this.#messages.prepend(...nodes);
    nodes.forEach(joinVoices);
    this.#items.unshift(...items);
    this.#low = from;
    this.#redrawResults(from + items.length, calls);
    const tookMs = performance.now() - began;
    if (tookMs > SLICE_MS) this.#extendBy = Math.max(1, this.#extendBy - 1);
    else if (tookMs < SLICE_MS / 2) this.#extendBy = Math.min(EXTEND_EVENTS, this.#extendBy + 1);
  }

  /**
   * @param {Envelope} envelope
   * @param {Context} context
   * @returns {Item}
   */
  #draw(envelope, context) {
    const { node } = renderMessage(envelope, context);
    if (this.#hits.has(envelope.seq)) markHit(envelope, node, context);
    const divider = this.#divider(envelope, node !== null);
    return { seq: envelope.seq, nodes: [this.#turnSum(envelope), divider, node].filter((each) => each !== null), weight: this.#store.log.weightOf(envelope.seq) };
  }

  // ------------------------------------------------------------------------------------------------------ cutting

  /**
   * Takes out what comes after a position, as if it had not happened: the cards of calls whose results go wait again.
   *
   * @param {number} cursor
   */
  #cut(cursor) {
    this.#forget(this.#items.splice(cursor - this.#low));
    this.#high = cursor;
    this.#mark(this.#lastNode(), 'instant');
  }

  /**
   * @param {number} from
   * @param {Set<string>} calls  draws the messages with their results anew, so that these find their cards
   */
  #redrawResults(from, calls) {
    if (calls.size === 0) return;
    for (const item of this.#items) {
      if (item.seq < from) continue;
      const envelope = this.#store.log.get(item.seq);
      if (envelope && resultsOf(envelope).some((id) => calls.has(id))) this.#redraw(item);
    }
  }

  /** @param {Item} item */
  #redraw(item) {
    const envelope = this.#store.log.get(item.seq);
    if (!envelope) return;
    this.#remove(item);
    const next = this.#items.find((each) => each.seq > item.seq && each.nodes.length > 0)?.nodes[0] ?? null;
    item.nodes = this.#draw(envelope, this.#context).nodes;
    for (const node of item.nodes) this.#messages.insertBefore(node, next);
    for (const node of [...item.nodes, next]) joinVoices(node);
  }

  /** @param {Item} item */
  #remove(item) {
    for (const node of item.nodes) node.remove();
  }

  /** Without a look at where that leaves the reader: whoever calls it sees to that. */
  #trimTop() {
    if (!this.#full(0)) return;
    this.#forget(this.#items.splice(0, Math.min(TRIM_NODES, this.#items.length >> 1)));
    joinVoices(this.#messages.firstElementChild);
    this.#low = this.#items[0]?.seq ?? this.#high;
    this.#fillFrom = this.#low;
  }

  #trimBottom() {
    while (this.#full(TRIM_NODES) && this.#items.length > 2 * WINDOW_LEAST) {
      this.#forget(this.#items.splice(-Math.min(TRIM_NODES, this.#items.length >> 2)));
      this.#high = (this.#items.at(-1)?.seq ?? this.#low - 1) + 1;
    }
  }

  /** @param {Item[]} items  results that come later must not go into cards that are no longer shown */
  #forget(items) {
    for (const item of items) this.#remove(item);
    forget(items.map((item) => item.seq), this.#context);
  }

  // ------------------------------------------------------------------------------------------------ around it all

  /** @param {ReplayState} state */
  #drawHead({ loading, loadError, first, count: total }) {
    const shown = loadError ? `error:${loadError}` : loading ? 'loading' : this.#low > first ? `more:${this.#low}` : total > first ? 'start' : '';
    if (shown === this.#headShown) return;
    this.#headShown = shown;
    clear(this.#head);
    if (loadError) this.#head.append(el('p', { class: 'head-error', text: `Could not load what came before. ${loadError}` }), this.#earlierButton('Try again'));
    else if (loading) this.#head.append(el('p', { class: 'head-note', text: 'Loading earlier messages…' }));
    else if (this.#low > first) this.#head.append(this.#earlierButton(`Load earlier (${count(this.#low - first, 'message')} before)`));
    else if (total > first) this.#head.append(el('p', { class: 'head-note', text: 'Start of the session' }));
  }

  /** @param {string} words */
  #earlierButton(words) {
    return el('button', { class: 'button quiet', text: words, attrs: { type: 'button' }, on: { click: () => this.#askEarlier() } });
  }

  #askEarlier() {
    if (this.#store.getState().loadError) this.#store.dispatch({ type: 'load-again' });
    this.#follower.release();
    this.earlier();
  }

  /** @param {ReplayState} state */
  #drawTail({ status, end, first, count: total, durationMs, connection, cursor, mode, meta }) {
    const done = this.#high === cursor && this.#low <= this.#fillFrom && !this.#stale && this.#store.atEnd();
    const running = (status === 'playing' && mode === 'realtime') || status === 'live';
    const shown = done ? 'ended' : running && connection.status === 'open' ? 'playing' : '';
    if (shown === this.#tailShown) return;
    this.#tailShown = shown;
    clear(this.#tail);
    if (shown === 'playing') this.#tail.append(el('div', { class: 'pulse', attrs: { 'aria-hidden': 'true' } }, el('span'), el('span'), el('span')));
    if (shown !== 'ended') return;
    endRunning(this.#context);
    if (total === first) return;
    const cut = end?.reason === 'truncated' ? '; the archive stops in a half-written record' : '';
    this.#tail.append(this.#sum(cursor), el('div', { class: 'end-card' },
      el('p', { class: 'end-title', text: 'End of the session' }),
      el('p', { class: 'end-facts', text: `${count(total - first, meta ? 'event' : 'message')} in ${span(Math.floor(durationMs / 1000) * 1000)}${cut}` }),
      this.#allSpent(first, total),
      el('button', { class: 'button primary', attrs: { type: 'button' }, on: { click: () => this.#store.dispatch({ type: 'replay' }) } },
        icon('replay'), 'Replay from the start'),
    ));
    this.#follower.reveal(this.#newest, 'instant');
  }

  /** @param {ReplayState} state */
  #drawPill({ cursor, status }) {
    const hidden = this.#follower.following || (this.#follower.atEnd && this.#high === cursor);
    const ahead = status === 'live' ? this.#unseen(cursor) : cursor - this.#high;
    const words = status === 'paused' ? 'Jump to the position' : 'Jump to now';
    const news = status === 'live' ? `${ahead.toLocaleString('en')} new` : `${words} · ${count(ahead, 'new message')}`;
    const shown = hidden ? '' : ahead > 0 ? news : words;
    if (shown === this.#pillShown) return;
    this.#pillShown = shown;
    this.#pill.hidden = hidden;
    clear(this.#pill);
    this.#pill.append(icon('arrow-down'), shown);
  }

  /**
   * Messages that came since the reader left the end; what went into a card that was there already is none.
   *
   * @param {number} cursor
   */
  #unseen(cursor) {
    const from = this.#leftAt ?? cursor;
    const drawn = this.#items.filter((item) => item.seq >= from && item.nodes.length > 0).length;
    return drawn + cursor - Math.max(this.#high, from);
  }

  /** @param {ReplayState['found']} found */
  #markFound(found) {
    this.#found = found;
    this.#hits = new Map(found?.items.map((each) => [each.seq, each]));
    this.#changes.disconnect();
    if (this.#hits.size > 0) this.#changes.observe(this.#messages, { childList: true, subtree: true, attributes: true, attributeFilter: ['open'] });
    this.#markWordsSoon();
    for (const node of this.#messages.querySelectorAll('.is-hit')) node.classList.remove('is-hit');
    for (const { seq, nodes } of this.#items) {
      const envelope = this.#hits.has(seq) ? this.#store.log.get(seq) : null;
      if (envelope) markHit(envelope, nodes.find((each) => each.dataset.seq !== undefined) ?? null, this.#context);
    }
  }

  #markWordsSoon() {
    if (this.#marking) return;
    this.#marking = window.setTimeout(() => {
      this.#marking = 0;
      const { cursor } = this.#store.getState();
      const near = this.#items.filter(({ seq }) => this.#hits.has(seq)).sort((a, b) => Math.abs(cursor - 1 - a.seq) - Math.abs(cursor - 1 - b.seq));
      markWords(near.flatMap((item) => this.#placesOf(item)));
    }, MARKING_MS);
  }

  /** What holds a hit: its message, or the cards of its results. @param {Item} item */
  #placesOf({ seq, nodes }) {
    const [hit, envelope] = [this.#hits.get(seq), this.#store.log.get(seq)];
    if (!hit || !envelope) return [];
    const own = nodes.find((each) => each.dataset.seq !== undefined);
    const places = own ? [own] : resultsOf(envelope).flatMap((id) => this.#context.calls.get(id)?.node ?? []);
    return places.map((node) => ({ node, hit }));
  }

  /** Who comes to a place that was found and stops there is shown the words, also those that are folded. @param {ReplayState} state */
  #leadToWords({ cursor, status, epoch, meta }) {
    if (status === 'playing' || this.#high !== cursor || this.#stale) return;
    const here = `${epoch} ${meta} ${this.#rewinds} ${cursor}`;
    const item = this.#hits.has(cursor - 1) && here !== this.#ledTo && this.#items.findLast(({ seq }) => seq === cursor - 1);
    if (item) {
      this.#ledTo = here;
      void this.#openWords(item, () => here === this.#ledTo && cursor === this.#store.getState().cursor && this.#hits.has(cursor - 1));
    }
  }

  /** @param {Item} item @param {() => boolean} goesOn */
  async #openWords(item, goesOn) {
    for (const place of this.#placesOf(item)) {
      const range = await openWords(place, goesOn);
      if (range) return this.#follower.bring(range);
    }
  }

  /**
   * @param {string} id
   * @param {Place} place  of its result
   * @param {Context} context
   * @returns {FarCall | null} `null` where it is not at hand; then it is looked for
   */
  #findCall(id, place, context) {
    const found = this.#callBefore(id, place.seq);
    if (found === undefined) this.#wanted.set(id, { place, context, pages: 0 });
    return found ?? null;
  }

  /**
   * @param {string} id
   * @param {number} seq
   * @returns {FarCall | null | undefined} `null` where there is none, `undefined` where an event is missing to tell
   */
  #callBefore(id, seq) {
    for (let at = seq - 1; at >= 0; at--) {
      const envelope = this.#store.log.get(at);
      if (!envelope) return undefined;
      const parts = partsOf(envelope);
      const index = parts.findLastIndex((part) => part.type === 'tool_call' && part.call_id === id);
      const part = parts[index];
      if (part?.type === 'tool_call') return { part, place: { seq: at, t_ms: envelope.t_ms, index } };
    }
    return null;
  }

  /** @param {ReplayState} state */
  #findWanted({ loadError }) {
    for (const [id, wanted] of this.#wanted) {
      const found = this.#callBefore(id, wanted.place.seq);
      if (found) adoptCall(id, found, wanted.context);
      const missing = found === undefined ? this.#store.log.lastMissing(this.#store.getState().first, wanted.place.seq) : null;
      if (missing !== null && wanted.pages < CALL_PAGES && !loadError) {
        wanted.pages += 1;
        this.#store.dispatch({ type: 'load', from: Math.max(this.#store.getState().first, missing + 1 - CALL_EVENTS), to: missing + 1 });
        return;
      }
      this.#wanted.delete(id);
    }
  }

  /** @param {ReplayState['children']} children  their calls, where drawn, now lead to them */
  #joinChildren(children) {
    this.#children = children;
    refreshCalls(children.keys(), this.#context);
  }

  /** What the turn before this one took, where this event begins one; what led up to the first took something or is none. @param {Envelope} envelope */
  #turnSum(envelope) {
    if (envelope.seq === 0 || !isTurn(envelope)) return null;
    const { timeline } = this.#store.getState();
    if (timeline && !turnBefore(timeline, envelope.seq)) {
      const { tokens, cost } = spentBetween((seq) => this.#store.log.get(seq), 0, envelope.seq);
      if (tokens === null && cost === null) return null;
    }
    return this.#sum(envelope.seq);
  }

  /** What the turn that ends before an event took. @param {number} end */
  #sum(end) {
    const event = (/** @type {number} */ seq) => this.#store.log.get(seq);
    let start = end - 1;
    for (let envelope = event(start); start > 0 && envelope && !isTurn(envelope); envelope = event(start)) start -= 1;
    const here = spentBetween(event, start, end);
    const words = spentWords(here.whole ? here : this.#told(end) ?? here);
    return el('p', { class: 'turn-sum', text: words, title: 'What this turn took, as far as the session tells' });
  }

  /** What the server says of a turn of which not every event is at hand. @param {number} end */
  #told(end) {
    const { timeline } = this.#store.getState();
    const turn = turnBefore(timeline, end);
    return timeline && turn && toldSpent(timeline, turn.number - 1);
  }

  /** What the whole session took, where all of it is at hand and it says so. @param {number} first @param {number} total */
  #allSpent(first, total) {
    if (!this.#store.log.holds(first, total)) return null;
    const spent = spentBetween((seq) => this.#store.log.get(seq), first, total);
    return spent.tokens || spent.cost !== null ? el('p', { class: 'end-facts', text: `In all: ${spentWords(spent)}` }) : null;
  }

  /**
   * @param {Envelope} envelope
   * @param {boolean} seen  whether the event has a place of its own: a card tells by itself how long its call took
   * @returns {HTMLElement | null}
   */
  #divider(envelope, seen) {
    const before = this.#store.log.get(envelope.seq - 1);
    const skip = this.#store.getState().skips.get(envelope.seq);
    const gap = skip ? skip.toMs - skip.fromMs : before ? envelope.t_ms - before.t_ms : 0;
    if (gap < TOLD_GAP_MS && (!skip || !seen || gap < TOLD_SKIP_MS)) return null;
    const words = skip ? `Skipped ${span(gap)} of silence` : `${span(gap)} later`;
    const kind = gap < TOLD_GAP_MS ? 'silence short' : skip ? 'silence skipped' : 'silence';
    return el('div', { class: kind, attrs: { role: 'separator', 'aria-label': words } },
      el('span', { class: 'silence-words' }, icon('clock'), words),
      gap >= TOLD_GAP_MS && el('span', { class: 'silence-time', text: clock(envelope.t_ms) }));
  }

  /**
   * @param {HTMLElement | null} node
   * @param {'smooth' | 'instant'} motion
   */
  #mark(node, motion) {
    if (node !== this.#newest) {
      this.#newest?.classList.remove('is-now');
      node?.classList.add('is-now');
      this.#newest = node;
    }
    this.#follower.reveal(node, motion);
  }

  /** A picture has come, or a card its result: what is newest stays in view. */
  #grown() {
    if (performance.now() < this.#readingUntil) return;
    this.#follower.reveal(this.#newest, 'growth');
  }

  /** @param {MouseEvent} event  opening something while playing is wanting to read it */
  #clicked(event) {
    if (!(event.target instanceof Element) || !event.target.closest('summary, .messages button:not(.msg-time)')) return;
    this.#readingUntil = performance.now() + READING_MS;
    if (this.#store.getState().status === 'playing') this.#follower.release();
  }

  #lastNode() {
    return this.#items.findLast((item) => item.nodes.length > 0)?.nodes.at(-1) ?? null;
  }

  /** @param {number} slack  messages more than wished for that are borne with */
  #full(slack) {
    if (this.#messages.childElementCount > MAX_NODES + slack && this.#store.getState().count > WHOLE_EVENTS) return true;
    return this.#items.reduce((sum, item) => sum + item.weight, 0) > MAX_CHARACTERS && this.#items.length > 2 * WINDOW_LEAST;
  }

  #newContext() {
    return createContext({
      fetchText: this.#api.text,
      findCall: (id, place, context) => this.#findCall(id, place, context),
      openLane: (child) => new Lane(child, this.#api, () => this.#settings.thinking),
      thinkingOpen: () => this.#settings.thinking,
      onSeek: (_tMs, seq) => this.#store.dispatch({ type: 'go-to', seq }),
      childOf: (callId) => this.#store.getState().children.get(callId) ?? null,
    });
  }

  /**
   * Where to begin drawing: at a turn, so that calls and their results stay together, where one is near.
   *
   * @param {ReplayState} state
   * @param {number} events  about so many before the cursor
   */
  #turnNear({ cursor, first, timeline }, events) {
    const wished = Math.max(first, cursor - events);
    const turn = turnBefore(timeline, wished + 1);
    return turn && turn.seq >= cursor - 1.5 * events ? turn.seq : wished;
  }
}

/**
 * @param {Envelope} envelope
 * @param {HTMLElement | null} node  none for a result, which is found in the card of its call
 * @param {Context} context
 */
function markHit(envelope, node, context) {
  if (node) node.classList.add('is-hit');
  else for (const id of resultsOf(envelope)) context.calls.get(id)?.node.classList.add('is-hit');
}

/** @param {ReplayState} state  whether it plays as fast as possible */
function rushes({ mode, status }) {
  return mode === 'fast' && status === 'playing';
}

/** @param {Envelope} envelope  whether a person says something, and not to a subagent */
function isTurn(envelope) {
  return markersOf(envelope).some((each) => each.kind === 'turn');
}

function reducedMotion() {
  return matchMedia('(prefers-reduced-motion: reduce)').matches;
}

/**
 * @param {Envelope} envelope
 * @returns {Part[]}
 */
function partsOf({ event }) {
  return event.type === 'message_completed' ? event.message.content : [];
}

/** @param {Envelope} envelope */
function callsOf(envelope) {
  return partsOf(envelope).flatMap((part) => (part.type === 'tool_call' && part.call_id !== null ? [part.call_id] : []));
}

/** @param {Envelope} envelope */
function resultsOf(envelope) {
  return partsOf(envelope).flatMap((part) => (part.type === 'tool_result' && part.call_id !== null ? [part.call_id] : []));
}
