/**
 * What the page knows of one replay, and the only way to ask for something else.
 *
 * `dispatch(command)` asks; the state changes when the server says so, never before. Events are kept apart from the
 * state, in `log`: the state says how far the conversation has come (`cursor`), the log holds what was said.
 *
 * @import { Api } from './api.js'
 * @import { Pace as Pacing } from './settings.js'
 * @import { Connection, Delegate, SessionClient, Wish } from './session-client.js'
 * @import {
 *   Control, End, Envelope, ErrorMessage, Hello, Hit, MarkerKind, Mode, Notice, PlayerState, Range,
 *   ServerMessage, SessionSummary, Status, StepUnit
 * } from './protocol.js'
 * @import { Timeline } from './live-timeline.js'
 */

import { ApiError } from './api.js';
import { childrenOf } from './children.js';
import { EventLog } from './event-log.js';
import { grown, timelineOf } from './live-timeline.js';
import { Pairs } from './pairs.js';
import { Pace, Playhead, readingTime } from './playhead.js';
import { plain, turnBefore, turnOf } from './turns.js';

/** Pressing "previous" this soon after a turn began means the one before it, as on any player. */
const RESTART_MS = 2_000;

/** Events fetched at a time. */
export const PAGE_EVENTS = 200;

/** A search is repeated after so long, then after twice as long, where the server has not read all of a session yet. */
const FIND_AGAIN_MS = 1_000;
const FIND_AGAIN_AT_MOST_MS = 16_000;

/** Later than any session lasts: a seek to there is a seek to the end, wherever that is by now. */
export const END_MS = 1e12;

/** Marks of a kind, and gaps, that a timeline lists: more cannot be told apart on a bar, and would take long to read. */
const MOST_MARKS = 2_000;

/** Turns of which more is fetched at a time. */
const PAGE_TURNS = 100;

const NO_GAPS = Pairs.of([]);

/** Places found in a session, at most: what lies closer on the bar than that cannot be told apart anyway. */
const MAX_HITS = 500;

/**
 * @typedef {{ type: 'play' } | { type: 'pause' } | { type: 'toggle' } | { type: 'replay' }
 *   | { type: 'seek', tMs: number } | { type: 'seek-by', ms: number } | { type: 'go-to', seq: number }
 *   | { type: 'next', kind: MarkerKind } | { type: 'previous', kind: MarkerKind }
 *   | { type: 'step', by: number, unit: StepUnit } | { type: 'go-live' }
 *   | { type: 'find', q: string } | { type: 'next-hit' } | { type: 'previous-hit' } | { type: 'show', seq: number }
 *   | { type: 'show-event', id: string }
 *   | { type: 'meta', on: boolean }
 *   | { type: 'speed', speed: number | 'max' } | { type: 'pace', pace: Pacing }
 *   | { type: 'load-turns', from: number, to: number } | { type: 'load', from: number, to: number } | { type: 'load-again' }
 *   | { type: 'reconnect' } | { type: 'refresh' } | { type: 'dismiss', id: number }} Command
 *
 * @typedef {{ seq: number, t_ms: number }} Stand  where something is: a mark, a turn
 * @typedef {{ fromMs: number, toMs: number }} Skip
 * @typedef {{ id: number, level: 'info' | 'warning' | 'error', message: string, lines: number[], count: number }} NoticeItem
 * @typedef {{ code: string, message: string }} Failure
 * @typedef {{ q: string, items: readonly Hit[], complete: boolean }} Found  one item an event, in order; not complete as long as there may be more
 *
 * @typedef {Object} ReplayState
 * @property {'opening' | 'ready' | 'failed'} phase
 * @property {Failure | null} failure  why nothing can be played
 * @property {Connection} connection
 * @property {SessionSummary | null} session
 * @property {boolean} live  whether the session is being written, as far as one can tell
 * @property {SessionSummary | null} parent  the session that started this one
 * @property {ReadonlyMap<string, SessionSummary>} children  the sessions that this one started, by the call that did
 * @property {Found | null} found  where the words are that were looked for
 * @property {Timeline | null} timeline
 * @property {string | null} epoch
 * @property {boolean} meta  whether the session's meta events are among the events, and numbered
 * @property {Status | null} status
 * @property {Mode} mode
 * @property {Exclude<Mode, 'fast'>} paced  the mode to go back to from `fast`
 * @property {number} speed
 * @property {number | null} idle  seconds, `null` for no cap
 * @property {number} cursor  the number of the next event: those before it have happened
 * @property {number} first  the number of the first event there is: not 0 where a link shows a later stretch
 * @property {number} count  that of the one after the last
 * @property {number} durationMs
 * @property {Playhead} playhead
 * @property {number} rewinds  grows whenever the conversation has to be drawn anew: after a seek, or a reset
 * @property {number} arrivals  grows whenever the log does
 * @property {number} labelled  grows whenever more of turns has become known
 * @property {number} resets  grows whenever another content has taken the place of what was played
 * @property {boolean} returning  after that, while the events get other numbers, or on the way to the event that a link leads to, until playback is there
 * @property {number | null} pendingMs  recorded time of a seek that the server has not answered yet
 * @property {{ from: number, to: number } | null} loading  a page of history on its way
 * @property {string | null} loadError
 * @property {ReadonlyMap<number, Skip>} skips  silences cut short, by the number of the event after them
 * @property {readonly NoticeItem[]} notices
 * @property {End | null} end
 *
 * @typedef {Object} Ports
 * @property {Api} api
 * @property {(wish: Wish, delegate: Delegate) => SessionClient} connect  makes the client, not the connection
 * @property {() => number} now
 * @property {(ms: number, action: () => void) => () => void} after  answers how to call it off
 * @property {(action: () => void) => void} soon  runs it once, in about a frame
 */

export class PlayerStore {
  log = new EventLog();

  #scrollId;
  #ports;
  #client;
  /** @type {Set<(state: ReplayState, before: ReplayState) => void>} */
  #listeners = new Set();
  /** @type {ReplayState} */
  #state;
  #pace = new Pace(NO_GAPS, 0, null);
  /** What that was made for. @type {{ gaps: Pairs, durationMs: number, idle: number | null } | null} */
  #pacedFor = null;
  /** From which turns on pages of them have been asked for, and how many turns there were. @type {Map<number, number>} */
  #turnPages = new Map();
  /** Whether one is on its way, or could not be brought over this connection. */
  #loadingTurns = false;
  /** The request whose answer ends `pendingMs`. @type {string | null} */
  #pendingId = null;
  /** All that was asked for since the server last answered everything, and the last request of it. @type {{ id: string | null, control: Control } | null} */
  #asked = null;
  /** Where the last way to an event ends, until the request that has it is answered. @type {{ id: string, cursor: number } | null} */
  #headed = null;
  #acknowledging = false;
  /** How often something was looked for, or no longer: what answers an earlier one is of no use. */
  #searches = 0;
  /** Calls off the repetition of the last search. */
  #searchAgain = () => {};
  #notices = 0;
  /** Grows when what was asked for before is of no use any more. */
  #era = 0;
  /** What to ask for once the server can be asked again, after a reset. @type {Control | null} */
  #wayBack = null;
  /** Whether it plays as soon as the server greets. */
  #beginsPlaying;
  #startSeq;
  /** The id of the event that a link leads to, until the server has been asked for it. @type {string | null} */
  #startEvent;
  /** The request that asks for it. @type {string | null} */
  #linkedId = null;
  /** Whether a connection is on its way in which the events have other numbers. */
  #renumbering = false;
  /** Whether the session's length is known: one that plays while it is being read is longer than was said so far. */
  #measured = false;
  /** Whether the length shown is that of what was there before a reset: kept until the new one is known. */
  #outdated = false;
  /** How many messages the list said there are, the last time. @type {number | null} */
  #listed = null;
  #leaving = new AbortController();

  /**
   * @param {string} scrollId
   * @param {Wish} wish
   * @param {Ports} ports
   */
  constructor(scrollId, wish, ports) {
    this.#scrollId = scrollId;
    this.#ports = ports;
    this.#state = opening(wish, ports.now());
    this.#beginsPlaying = !wish.paused;
    this.#startSeq = wish.startSeq ?? null;
    this.#startEvent = wish.startEvent ?? null;
    this.#client = ports.connect(wish, {
      onConnection: (connection) => this.#onConnection(connection),
      onHello: (hello, fresh) => this.#onHello(hello, fresh),
      onEvents: (envelopes) => this.#onEvents(envelopes),
      onRewind: (seq) => this.#onRewind(seq),
      onMessage: (message) => this.#onMessage(message),
    });
  }

  open() {
    this.#client.connect();
    void this.#fetchSession();
    void this.#fetchTimeline();
    void this.#fetchChildren();
  }

  close() {
    this.#leaving.abort();
    this.#searchAgain();
    this.#listeners.clear();
    this.#client.stop();
  }

  getState() {
    return this.#state;
  }

  /**
   * @param {(state: ReplayState, before: ReplayState) => void} listener  called after every change
   * @returns {() => void} ends it
   */
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Recorded time to show now: where playback is, or where it was just asked to go. */
  position() {
    return this.#state.pendingMs ?? this.#state.playhead.at(this.#ports.now());
  }

  /** Clock time until a long silence is over; 0 when playback is not in one. */
  waitLeft() {
    return this.#state.pendingMs === null ? this.#state.playhead.waitLeft(this.#ports.now()) : 0;
  }

  /** Clock time that the rest of the session takes at this pace; `null` where that is not known. */
  timeLeft() {
    return this.#state.playhead.timeLeft(this.#ports.now());
  }

  /** Whether nothing is left to play, on the way or by going there, and nothing more is expected. */
  atEnd() {
    const { status, cursor, count, live } = this.#state;
    if (status === 'ended') return true;
    return !live && (status === 'live' || (status === 'paused' && count > 0 && cursor >= count));
  }

  /** Whether what is shown is what is being written. */
  isLive() {
    return this.#state.live && this.#state.status === 'live';
  }

  /**
   * How it plays, or will once the server has answered: who presses a key twice means what the first one will have done.
   *
   * @returns {Pick<ReplayState, 'mode' | 'paced' | 'speed' | 'idle'> & { running: boolean }}
   */
  heading() {
    const { status, mode, paced, speed, idle } = this.#state;
    const running = status === null ? this.#beginsPlaying : status === 'playing' || status === 'live';
    const { control = {} } = this.#asked ?? {};
    return {
      running: control.step === undefined && (control.play ?? running),
      mode: control.mode ?? mode,
      paced: control.mode === undefined || control.mode === 'fast' ? paced : control.mode,
      speed: control.speed ?? speed,
      idle: control.idle === undefined ? idle : control.idle,
    };
  }

  // ------------------------------------------------------------------------------------------------------ commands

  /** @param {Command} command */
  dispatch(command) {
    switch (command.type) {
      case 'play':
        return this.#play();
      case 'pause':
        return this.#send({ play: false });
      case 'toggle':
        return this.heading().running && !this.atEnd() ? this.#send({ play: false }) : this.#play();
      case 'replay':
        return this.#seek({ t_ms: 0 }, 0, { play: true });
      case 'seek':
        return this.#seekTime(command.tMs);
      case 'seek-by':
        return this.#seekTime(this.position() + command.ms);
      case 'go-to':
        return this.#goTo(command.seq);
      case 'go-live':
        return this.#goLive();
      case 'find':
        if (command.q !== '') this.#showMeta(false); // what is found has the numbers of the messages alone
        return this.#find(command.q);
      case 'meta':
        return this.#showMeta(command.on);
      case 'next-hit':
        return this.#goToHit(1);
      case 'previous-hit':
        return this.#goToHit(-1);
      case 'show':
        return this.#show(command.seq, null);
      case 'show-event':
        return this.#showEvent(command.id);
      case 'next':
        return this.#goToMarker(command.kind, this.#after(command.kind), 1);
      case 'previous':
        return this.#goToMarker(command.kind, this.#before(command.kind), -1);
      case 'step':
        return this.#send({ step: { by: command.by, unit: command.unit } });
      case 'speed':
        return this.#send(command.speed === 'max' ? { mode: 'fast' } : { mode: this.heading().paced, speed: command.speed });
      case 'pace':
        return this.#setPace(command.pace);
      case 'load-turns':
        return void this.#loadTurns(command.from, command.to);
      case 'load':
        return void this.#load(command.from, command.to);
      case 'load-again':
        return this.#set({ loadError: null });
      case 'reconnect':
        return this.#reconnect();
      case 'refresh':
        return void this.#refresh();
      case 'dismiss':
        return this.#set({ notices: this.#state.notices.filter((each) => each.id !== command.id) });
    }
  }

  #play() {
    if (this.atEnd()) this.dispatch({ type: 'replay' });
    else this.#send({ play: true });
  }

  /** @param {number} tMs  at the end or beyond it, everything has happened: the last event too */
  #seekTime(tMs) {
    const { durationMs, live } = this.#state;
    const place = Math.round(Math.max(0, tMs));
    const ends = this.#measured && place > 0 && place >= durationMs;
    const end = live ? END_MS : durationMs + 1;
    this.#seek({ t_ms: ends ? end : place }, Math.min(durationMs, Math.max(0, tMs)));
  }

  #goLive() {
    if (this.isLive()) return;
    this.#seek({ t_ms: END_MS }, this.#state.durationMs, { play: true });
  }

  /**
   * As fast as possible, a seek stops there: going on would be at the end before one has looked.
   *
   * @param {{ t_ms: number } | { seq: number }} seek
   * @param {number | null} pendingMs
   * @param {Control} [more]
   */
  #seek(seek, pendingMs, more = this.#state.mode === 'fast' ? { play: false } : {}) {
    this.#headed = null;
    this.#pendingId = this.#send({ ...more, seek });
    this.#set({ pendingMs: this.#pendingId === null ? null : pendingMs });
  }

  /**
   * To an event so that it is seen: playing, it is the next to come; stopped, it is the last that came.
   *
   * @param {number} seq
   */
  #goTo(seq) {
    const tMs = this.#timeOf(seq);
    const stopped = this.#state.status === 'paused' || this.#state.mode === 'fast';
    this.#seek({ seq }, tMs);
    this.#headFor(seq, stopped ? this.#send({ step: { by: 1, unit: 'event' } }) : this.#pendingId);
  }

  /**
   * Until the command is answered, the next key counts from there.
   *
   * @param {number} seq
   * @param {string | null} id  of the command, or null where there is no connection
   */
  #headFor(seq, id) {
    this.#headed = id === null ? null : { id, cursor: seq + 1 };
  }

  /**
   * @param {number} seq
   * @returns {number | null} its recorded time, where it is known to the timeline
   */
  #timeOf(seq) {
    const { timeline } = this.#state;
    const turn = timeline?.turns.lastByFirst(seq) ?? -1;
    if (timeline && turn >= 0 && timeline.turns.first(turn) === seq) return timeline.turns.second(turn);
    return timeline?.markers.find((each) => each.seq === seq)?.t_ms ?? null;
  }

  /**
   * To an event, to read it: it is the last that came, and nothing comes after it.
   *
   * @param {number} seq
   * @param {number | null} tMs
   */
  #show(seq, tMs) {
    this.#seek({ seq }, tMs, { play: false });
    this.#headFor(seq, this.#send({ step: { by: 1, unit: 'event' } }));
  }

  /** @param {string} id */
  #showEvent(id) {
    if (this.#state.connection.status === 'open') this.#askForEvent(id);
    else this.#startEvent = id; // asked for once there is a connection
  }

  /**
   * One change, so that nothing is done where there is no such event.
   *
   * @param {string} id
   */
  #askForEvent(id) {
    this.#headed = null;
    this.#pendingId = this.#linkedId = this.#send({ seek: { event_id: id }, step: { by: 1, unit: 'event' } });
  }

  /**
   * Round the end, as a browser's own search goes.
   *
   * @param {1 | -1} by
   */
  #goToHit(by) {
    const cursor = this.#cursorAhead();
    const items = this.#state.found?.items ?? [];
    const hit = by > 0
      ? items.find((each) => each.seq >= cursor) ?? items[0]
      : items.findLast((each) => each.seq < cursor - 1) ?? items.at(-1);
    if (hit) this.#show(hit.seq, hit.t_ms);
  }

  /**
   * @param {MarkerKind} kind
   * @param {Stand | null} marker
   * @param {1 | -1} by
   */
  #goToMarker(kind, marker, by) {
    const { timeline } = this.#state;
    // Where not all are listed, only the server knows which is the next.
    const known = timeline && (kind === 'turn' || !timeline.leftOut.includes(kind));
    if (!known && (kind === 'turn' || kind === 'tool' || kind === 'error')) this.#send({ step: { by, unit: kind } });
    else if (marker) this.#goTo(marker.seq);
    else if (kind === 'turn' && by < 0) this.#seekTime(0);
  }

  /**
   * @param {MarkerKind} kind
   * @returns {Stand | null}
   */
  #after(kind) {
    const cursor = this.#cursorAhead();
    const { timeline } = this.#state;
    if (kind === 'turn') return turnOf(timeline, (timeline?.turns.lastByFirst(cursor - 1) ?? -1) + 1);
    return this.#marked(kind).find((each) => each.seq >= cursor) ?? null;
  }

  /** The cursor as it will be: who presses a key twice means the one after the next. */
  #cursorAhead() {
    return this.#headed?.cursor ?? this.#state.cursor;
  }

  /**
   * The one before what is being shown, or its own beginning once that has been shown for a while.
   *
   * @param {MarkerKind} kind
   * @returns {Stand | null}
   */
  #before(kind) {
    const { status, timeline } = this.#state;
    const cursor = this.#cursorAhead();
    const position = this.position();
    const justBegun = (/** @type {Stand} */ each) =>
      status === 'playing' ? position - each.t_ms < RESTART_MS * this.#state.speed : each.seq >= cursor - 1;
    if (kind !== 'turn') return this.#marked(kind).findLast((each) => each.seq < cursor && !justBegun(each)) ?? null;
    let turn = turnBefore(timeline, cursor);
    while (turn && justBegun(turn)) turn = turnOf(timeline, turn.number - 2);
    return turn;
  }

  /** @param {MarkerKind} kind */
  #marked(kind) {
    return this.#state.timeline?.markers.filter((each) => each.kind === kind) ?? [];
  }

  /**
   * With the meta events or without: another connection, which goes on at the same recorded time.
   *
   * @param {boolean} on
   */
  #showMeta(on) {
    if (on === this.#state.meta) return;
    const startMs = this.#state.cursor === 0 ? 0 : Math.floor(this.position()) + 1; // what has happened stays so
    this.#era += 1;
    this.#renumbering = true;
    this.#wayBack = null;
    this.log.clear();
    this.#endSearch();
    this.#set({ meta: on, returning: true, timeline: null, skips: new Map(), end: null, loading: null, loadError: null });
    this.#client.renumber(on, startMs);
    void this.#fetchTimeline();
  }

  /** @param {Pacing} pace */
  #setPace(pace) {
    const paced = pace === 'reading' ? 'reading' : 'realtime';
    this.#set({ paced });
    this.#send({ idle: pace === 'reading' ? null : pace, ...(this.#state.mode === 'fast' ? {} : { mode: paced }) });
  }

  /**
   * @param {Control} control
   * @returns {string | null} the request id of the answer, `null` when it could not be sent yet
   */
  #send(control) {
    const before = { ...this.#asked?.control };
    if (control.play !== undefined) delete before.step;
    const id = this.#client.send(control);
    this.#asked = { id, control: { ...before, ...control } };
    return id;
  }

  /** @param {string | undefined} requestId  of what the server has answered */
  #answered(requestId) {
    if (requestId === undefined) return;
    if (requestId === this.#asked?.id) this.#asked = null;
    if (requestId === this.#headed?.id) this.#headed = null;
  }

  #reconnect() {
    if (this.#state.phase === 'failed') this.#set({ phase: 'opening', failure: null });
    this.#client.connect();
    if (!this.#state.session) void this.#fetchSession();
    void this.#fetchChildren();
    if (!this.#state.timeline) void this.#fetchTimeline();
  }

  // --------------------------------------------------------------------------------------- what the server says

  /** @param {Connection} connection */
  #onConnection(connection) {
    this.#pendingId = null;
    this.#asked = null;
    this.#headed = null;
    const stopped = connection.status !== 'open';
    this.#set({ connection, pendingMs: null, returning: this.#renumbering, ...(stopped ? { playhead: this.#playheadAt(this.position(), false) } : {}) });
    if (connection.status === 'closed' && connection.error) this.#fail(connection.error);
    if (connection.status !== 'open') return;
    this.#turnPages.clear();
    this.#loadingTurns = false;
    this.#goBack();
  }

  /** @param {{ code: string, message: string }} failure */
  #fail({ code, message }) {
    this.#set({ phase: 'failed', failure: { code, message } });
  }

  /**
   * @param {Hello} hello
   * @param {boolean} fresh
   */
  #onHello(hello, fresh) {
    if (fresh) this.#startOver();
    const { range, state } = hello;
    const durationMs = Math.max(range.duration_ms, this.#state.timeline?.duration_ms ?? 0);
    this.#outdated = false;
    this.#measured = range.complete ?? true;
    if (this.#renumbering) this.#renumbered();
    const live = range.live || Boolean(hello.session.live);
    this.#set({ phase: 'ready', failure: null, loadError: null, session: { ...this.#state.session, ...hello.session, live }, live, epoch: hello.epoch, first: range.first_seq, count: range.next_seq, durationMs });
    this.#follow(state);
    this.#showFirst(state);
    void this.#fetchParent();
    if (this.#state.timeline && this.#state.timeline.epoch !== hello.epoch) void this.#fetchTimeline();
  }

  #renumbered() {
    this.#renumbering = false;
    this.log.clear();
    this.#set({ returning: false, count: 0 });
  }

  /**
   * Who came by a link to an event came to see it.
   *
   * @param {PlayerState} state
   */
  #showFirst({ seq, status }) {
    const wanted = this.#startSeq;
    this.#startSeq = null;
    if (wanted !== null && wanted === seq && status === 'paused') this.#wayBack = { step: { by: 1, unit: 'event' } };
  }

  /** @param {Envelope[]} envelopes */
  #onEvents(envelopes) {
    const last = /** @type {Envelope} */ (envelopes.at(-1));
    this.log.put(envelopes, last.seq);
    this.#acknowledgeSoon();
    const { timeline } = this.#state;
    this.#set({
      live: this.#state.live || last.origin?.type === 'live',
      timeline: timeline && grown(timeline, envelopes),
      cursor: last.seq + 1,
      count: Math.max(this.#state.count, last.seq + 1),
      durationMs: Math.max(this.#state.durationMs, last.t_ms),
      arrivals: this.#state.arrivals + 1,
      playhead: this.#playheadAt(last.t_ms, this.#state.status === 'playing', this.#unreadFrom(last.seq)),
    });
  }

  /** @param {number} seq */
  #onRewind(seq) {
    this.#era += 1;
    const { status, rewinds, playhead } = this.#state;
    const reached = playhead.at(this.#ports.now());
    this.#set({ cursor: seq, rewinds: rewinds + 1, end: null, playhead: this.#playheadAt(reached, status === 'playing', this.#unreadFrom(seq)) });
  }

  /** @param {Exclude<ServerMessage, Hello | Envelope>} message */
  #onMessage(message) {
    switch (message.type) {
      case 'state':
        this.#follow(message);
        return;
      case 'heartbeat':
        this.#set({ status: message.status, playhead: this.#playheadAt(message.t_ms, message.status === 'playing') });
        return;
      case 'skipped':
        this.#skip({ fromMs: message.from_ms, toMs: message.to_ms });
        return;
      case 'notice':
        this.#note(message);
        return;
      case 'end':
        this.#set({ end: message });
        return;
      case 'error':
        this.#complain(message);
        return;
      default:
        return; // `caught_up`, and whatever a newer server says
    }
  }

  /** @param {PlayerState} state */
  #follow(state) {
    const { status, mode, speed, idle } = state;
    const answered = state.request_id !== undefined && state.request_id === this.#pendingId;
    if (answered) this.#pendingId = null;
    this.#answered(state.request_id);
    const paced = mode === 'fast' ? this.#state.paced : mode;
    this.#set({ status, mode, paced, speed, idle, ...(answered ? { pendingMs: null, returning: false } : {}) });
    this.#repace();
    this.#set({ playhead: this.#playheadAt(state.t_ms, status === 'playing') });
  }

  /** @param {Skip} skip */
  #skip(skip) {
    const skips = new Map(this.#state.skips);
    skips.set(this.#state.cursor, skip);
    this.#set({ skips });
  }

  /** @param {Notice} notice */
  #note(notice) {
    if (notice.code === 'index_complete') {
      this.#know(notice.range ?? null);
      return;
    }
    if (notice.code === 'server_stopping') return; // the lost connection is told
    if (notice.code === 'archive_rewritten') {
      this.#startOver();
      if (notice.epoch) this.#set({ epoch: notice.epoch });
      void this.#fetchTimeline();
      this.#goBack();
      return; // said by the page, in its own words: `resets`
    }
    this.#tell(notice.level, notice.message, notice.lines ?? [], notice.count ?? 0);
  }

  /**
   * The session has been read to its end only now: it is as long as this.
   *
   * @param {Range | null} range
   */
  #know(range) {
    this.#measured = true;
    const { count, durationMs, timeline } = this.#state;
    if (range) this.#set({ count: Math.max(count, range.next_seq), durationMs: Math.max(durationMs, range.duration_ms) });
    // Live, what is new comes as events; a timeline for each of them would be the whole session again and again.
    if (timeline?.count !== this.#state.count && this.#state.status !== 'live') void this.#fetchTimeline();
    this.#repace();
  }

  /** @param {ErrorMessage} error */
  #complain(error) {
    this.#answered(error.request_id);
    if (error.request_id !== undefined && error.request_id === this.#pendingId) {
      this.#pendingId = null;
      this.#set({ pendingMs: null, returning: false });
    }
    if (error.code !== 'bad_command') return;
    const linked = error.request_id !== undefined && error.request_id === this.#linkedId;
    if (linked) this.#tell('warning', 'The message that this link leads to is not in this session.', [], 0);
    else this.#tell('error', error.message, [], 0);
  }

  /**
   * @param {'info' | 'warning' | 'error'} level
   * @param {string} message
   * @param {number[]} lines
   * @param {number} count
   */
  #tell(level, message, lines, count) {
    if (this.#state.notices.some((each) => each.message === message)) return;
    const notice = { id: ++this.#notices, level, message, lines, count };
    this.#set({ notices: [...this.#state.notices, notice] });
  }

  /** One word a frame is enough, and lets the server run ahead by one window at most. */
  #acknowledgeSoon() {
    if (this.#acknowledging) return;
    this.#acknowledging = true;
    this.#ports.soon(() => {
      this.#acknowledging = false;
      this.#client.acknowledge();
    });
  }

  // ----------------------------------------------------------------------------------------------------- fetching

  async #fetchSession() {
    try {
      const session = await this.#ports.api.session(this.#scrollId, this.#leaving.signal);
      this.#set({ session: { ...session, ...this.#state.session } });
      void this.#fetchParent();
    } catch (error) {
      // The socket says the same, with more patience; but where it cannot open at all, this is all there is.
      if (error instanceof ApiError && error.status >= 400 && error.status < 500) this.#fail(error);
    }
  }

  async #fetchTimeline() {
    try {
      const { resets, meta } = this.#state;
      const fetched = await this.#wholeTimeline(meta);
      if (resets !== this.#state.resets || meta !== this.#state.meta) return;
      const position = this.position();
      this.#keepLabels(fetched);
      const timeline = grown(fetched, this.#since(fetched.count));
      const least = this.#outdated ? 0 : this.#state.durationMs;
      this.#outdated = false;
      this.#set({ timeline, count: Math.max(timeline.count, this.#state.count), durationMs: Math.max(timeline.duration_ms, least) });
      this.#repace();
      this.#set({ playhead: this.#playheadAt(position, this.#state.status === 'playing', this.#unreadFrom(Math.max(0, this.#state.cursor - 1))) });
    } catch {
      // Without it the bar has no marks; playing goes on.
    }
  }

  /**
   * The timeline with all gaps and turns: in tables of their own where there are many.
   *
   * @param {boolean} meta
   */
  async #wholeTimeline(meta) {
    const { api } = this.#ports;
    const query = meta ? { meta } : {};
    const answer = await api.timeline(this.#scrollId, this.#leaving.signal, { most: MOST_MARKS, ...query });
    const table = (/** @type {'gaps' | 'turns'} */ name) => api.table(this.#scrollId, name, this.#leaving.signal, query);
    const gaps = answer.left_out?.includes('gap') ? await table('gaps') : null;
    const turns = answer.left_out?.includes('turn') ? await table('turns') : null;
    return timelineOf(answer, { gaps, turns });
  }

  /** What is known of turns stays known. @param {Timeline} timeline  of the same session, newer */
  #keepLabels(timeline) {
    const before = this.#state.timeline;
    if (before?.epoch !== timeline.epoch) return this.#turnPages.clear();
    for (const [seq, label] of before.labels) timeline.labels.set(seq, label);
    timeline.spent = before.spent;
  }

  /**
   * Brings what the turns of a half-open range begin with and took, a page at a time, each once as long as no turn comes
   * to them. Of a page of which the
   * server could not look at all in one go, the rest is brought when one of it is asked for.
   *
   * @param {number} from  the index of a turn of which something is not known
   * @param {number} to
   */
  async #loadTurns(from, to) {
    const { timeline, meta } = this.#state;
    if (!timeline || this.#loadingTurns) return;
    this.#loadingTurns = true;
    let fetched = 0;
    const isKnown = (/** @type {number} */ start) => this.#turnPages.get(start) === timeline.turns.length;
    for (let index = from; index < Math.min(to, timeline.turns.length);) {
      const page = index - (index % PAGE_TURNS);
      const start = isKnown(page) ? index : page;
      index = page + PAGE_TURNS;
      if (isKnown(start)) continue;
      this.#turnPages.set(start, timeline.turns.length);
      try {
        const { epoch, turns } = await this.#ports.api.turns(this.#scrollId, { start, limit: index - start, ...(meta && { meta }) }, this.#leaving.signal);
        const now = this.#state.timeline;
        fetched += 1;
        if (now?.epoch !== epoch || meta !== this.#state.meta) break;
        for (const { seq, stop_seq, label, spent } of turns) {
          now.labels.set(seq, plain(label));
          if (spent) now.spent.set(seq, { ...spent, stop_seq });
        }
      } catch { // none of them is asked for again before the connection is there again
        for (let each = start; each < index; each++) this.#turnPages.set(each, timeline.turns.length);
      }
    }
    this.#loadingTurns = false;
    if (fetched > 0) this.#set({ labelled: this.#state.labelled + 1 });
  }

  /**
   * What came while a timeline was on its way.
   *
   * @param {number} from
   * @returns {Envelope[]}
   */
  #since(from) {
    const came = [];
    for (let seq = from; seq < this.#state.cursor; seq++) {
      const envelope = this.log.get(seq);
      if (envelope) came.push(envelope);
    }
    return came;
  }

  /** Whether the session is still being written, and how far it has come behind the viewer's back. */
  async #refresh() {
    try {
      const session = await this.#ports.api.session(this.#scrollId, this.#leaving.signal);
      const more = session.count !== this.#listed && (session.count ?? 0) > this.#state.count;
      this.#listed = session.count;
      this.#set({ session: { ...this.#state.session, ...session }, live: session.live });
      if (more && this.#state.status !== 'live') await this.#fetchTimeline();
      if (more || session.live) await this.#fetchChildren(); // a subagent begins while nothing is said here
    } catch {
      // The socket tells when the server is gone.
    }
  }

  async #fetchParent() {
    const id = this.#state.session?.parent_scroll_id;
    if (!id || this.#state.parent?.scroll_id === id) return;
    try {
      this.#set({ parent: await this.#ports.api.session(id, this.#leaving.signal) });
    } catch {
      // Then it is not here; the session is none the worse.
    }
  }

  async #fetchChildren() {
    try {
      const children = await childrenOf(this.#ports.api, this.#scrollId, this.#leaving.signal);
      const known = this.#state.children;
      if (children.size !== known.size || [...children.keys()].some((id) => !known.has(id))) this.#set({ children });
    } catch {
      // Then the calls lead nowhere.
    }
  }

  /** @param {string} q  nothing to end the search */
  #find(q) {
    this.#endSearch();
    if (q !== '') void this.#search(q, this.#searches, FIND_AGAIN_MS);
  }

  #endSearch() {
    this.#searches += 1;
    this.#searchAgain();
    this.#set({ found: null });
  }

  /**
   * Again and again, until the server knows all of the session, or something else is looked for.
   *
   * @param {string} q
   * @param {number} number  of the search
   * @param {number} againMs  until it is asked again
   */
  async #search(q, number, againMs) {
    try {
      const { hits, complete } = await this.#ports.api.hits(this.#scrollId, { q, limit: MAX_HITS }, this.#leaving.signal);
      if (number !== this.#searches) return;
      const items = hits.filter((hit, index) => hit.seq !== hits[index - 1]?.seq);
      const { found } = this.#state;
      if (found?.complete !== complete || found.items.length !== items.length) this.#set({ found: { q, items, complete } });
      if (!complete) this.#searchAgain = this.#ports.after(againMs, () => void this.#search(q, number, Math.min(againMs * 2, FIND_AGAIN_AT_MOST_MS)));
    } catch (error) {
      if (error instanceof ApiError && number === this.#searches) this.#tell('error', `The search failed. ${error.message}`, [], 0);
    }
  }

  /**
   * Brings the missing events of a half-open range into the log, a page at a time, the latest first.
   *
   * @param {number} from
   * @param {number} to
   */
  async #load(from, to) {
    const last = this.log.lastMissing(from, to);
    if (last === null) return;
    const start = this.log.firstMissing(Math.max(from, last + 1 - PAGE_EVENTS), last + 1) ?? last;
    const { loading } = this.#state;
    if (loading && loading.from === start && loading.to === last + 1) return;
    const era = this.#era;
    const { epoch, meta } = this.#state;
    this.#set({ loading: { from: start, to: last + 1 }, loadError: null });
    const done = () => this.#state.loading?.from === start && this.#state.loading.to === last + 1;
    try {
      const page = await this.#ports.api.events(
        this.#scrollId, { start_seq: start, limit: last + 1 - start, ...(meta && { meta }) }, this.#leaving.signal,
      );
      if (epoch !== this.#state.epoch || meta !== this.#state.meta) return;
      this.log.put(page.events, last);
      this.#set({ arrivals: this.#state.arrivals + 1, ...(done() ? { loading: null } : {}) });
    } catch (error) {
      if (this.#leaving.signal.aborted || era !== this.#era) {
        if (done()) this.#set({ loading: null });
        return;
      }
      const words = error instanceof ApiError ? error.message : 'Something went wrong.';
      this.#set({ ...(done() ? { loading: null } : {}), loadError: words });
    }
  }

  // ------------------------------------------------------------------------------------------------------- inside

  /** Nothing that was received holds any more: another archive has taken its place. Remembers where playback was. */
  #startOver() {
    const { status, live, cursor, count } = this.#state;
    const tMs = Math.round(this.position());
    const atEdge = status === 'live' || (live && cursor >= count);
    this.#wayBack = { seek: { t_ms: atEdge ? END_MS : tMs } };
    this.#outdated = true;
    this.log.clear();
    this.#set({ skips: new Map(), timeline: null, end: null, loading: null, loadError: null, count: 0, resets: this.#state.resets + 1 });
  }

  /** Asks for what could not be asked for at once. */
  #goBack() {
    const control = this.#wayBack;
    this.#wayBack = null;
    const linked = this.#startEvent;
    this.#startEvent = null;
    if (linked !== null) this.#askForEvent(linked);
    else if (control) this.#pendingId = this.#send(control);
    if (linked !== null || control?.seek) this.#set({ returning: this.#pendingId !== null });
  }

  #repace() {
    const { timeline, durationMs, idle } = this.#state;
    const gaps = timeline?.gaps ?? NO_GAPS;
    const before = this.#pacedFor;
    if (before?.gaps === gaps && before.durationMs === durationMs && before.idle === idle) return;
    this.#pacedFor = { gaps, durationMs, idle };
    this.#pace = new Pace(gaps, durationMs, idle === null ? null : idle * 1000);
  }

  /**
   * @param {number} tMs
   * @param {boolean} moving
   * @param {number | null} [unreadMs]  as it was when left out
   */
  #playheadAt(tMs, moving, unreadMs = this.#state.playhead.unreadAt(this.#ports.now())) {
    const { mode, speed, durationMs } = this.#state;
    return new Playhead(this.#pace, Math.max(durationMs, tMs), { tMs, moving, mode, speed, unreadMs, now: this.#ports.now() });
  }

  /**
   * @param {number} seq
   * @returns {number | null} how long the events from that one on take to read
   */
  #unreadFrom(seq) {
    const reading = this.#state.timeline?.reading;
    return reading ? readingTime(reading, seq) : null;
  }

  /** @param {Partial<ReplayState>} change */
  #set(change) {
    const before = this.#state;
    this.#state = { ...before, ...change };
    for (const listener of this.#listeners) listener(this.#state, before);
  }
}

/**
 * @param {Wish} wish
 * @param {number} now
 * @returns {ReplayState}
 */
function opening({ startMs, mode, paced = 'realtime', speed, idle, meta = false }, now) {
  const fix = { tMs: startMs, now, moving: false, mode, speed };
  return {
    phase: 'opening',
    failure: null,
    connection: { status: 'connecting' },
    session: null,
    live: false,
    parent: null,
    children: new Map(),
    found: null,
    timeline: null,
    epoch: null,
    meta,
    status: null,
    mode,
    paced: mode === 'fast' ? paced : mode,
    speed,
    idle,
    cursor: 0,
    first: 0,
    count: 0,
    durationMs: 0,
    playhead: new Playhead(new Pace(NO_GAPS, 0, null), startMs, fix),
    rewinds: 0,
    arrivals: 0,
    labelled: 0,
    resets: 0,
    returning: false,
    pendingMs: null,
    loading: null,
    loadError: null,
    skips: new Map(),
    notices: [],
    end: null,
  };
}
