/**
 * One WebSocket to one replay: connect, come back, resume, and hand on every event exactly once.
 *
 * Whatever happens to the connection, the delegate sees events whose numbers follow each other, until `onRewind` says
 * where they go on from. Repeats and events of an older generation end here; a hole ends the connection, which is
 * taken up again at the event that was missing.
 *
 * Every connection follows (`follow=true`), whether the session is being written or not: an agent that works in silence
 * for an hour looks as one that has stopped, and a finished session may be taken up again tomorrow. What comes then
 * comes here, without anybody asking. `end` is therefore never sent; `live` says that the end has been reached.
 *
 * @import { Control, Envelope, ErrorMessage, Hello, Mode, PlayerState, ServerMessage } from './protocol.js'
 */

import { ProtocolError, SUBPROTOCOL, parse } from './protocol.js';

/** First back-off, doubled with each attempt, and its cap: long enough not to storm, short enough to wait for. */
const BACKOFF_BASE_MS = 500;
const BACKOFF_CAP_MS = 10_000;

/** A connection that lived this long was a good one: the next back-off starts small again. */
const STEADY_MS = 1_000;

/** A handshake that takes longer hangs. */
const CONNECT_TIMEOUT_MS = 10_000;

/** Events sent and not acknowledged, at most: what a tab draws in a few frames. */
const WINDOW_EVENTS = 512;
const BATCH_BYTES = 65_536;
const PREVIEW_BYTES = 65_536;

/** Closes after which coming back would meet the same refusal (RFC 6455, 7.4.1). */
const FINAL_CODES = new Set([1002, 1003, 1007, 1008, 1009, 1010]);

/** What the server says when there is no event of that number. */
const POSITION_GONE = 'position_out_of_range';

/**
 * @typedef {Object} Clock
 * @property {() => number} now  milliseconds, steady
 * @property {(ms: number, action: () => void) => () => void} after  runs `action` once; the answer calls it off
 *
 * @typedef {Object} SocketLike  what is used of a WebSocket
 * @property {(text: string) => void} send
 * @property {(code?: number, reason?: string) => void} close
 * @property {((event: any) => void) | null} onopen
 * @property {((event: any) => void) | null} onmessage
 * @property {((event: any) => void) | null} onclose
 * @property {((event: any) => void) | null} onerror
 *
 * @typedef {Object} Ports  the world, as far as the client needs it
 * @property {(path: string, protocol: string) => SocketLike} open
 * @property {Clock} clock
 * @property {() => number} random
 *
 * @typedef {Object} Wish  how the replay is to begin
 * @property {number} startMs
 * @property {number | null} [startSeq]  in place of `startMs`: the first event to be sent
 * @property {string | null} [startEvent]  the id of the event that is to be shown first, which only the server finds
 * @property {Mode} mode
 * @property {Exclude<Mode, 'fast'>} [paced]  how to be paced once it is not as fast as possible any more
 * @property {number} speed
 * @property {number | null} idle  seconds
 * @property {boolean} paused
 * @property {boolean} [meta]  with the session's meta events, which are numbered then too
 *
 * @typedef {{status: 'connecting'} | {status: 'open'} | {status: 'waiting', attempt: number, retryAt: number}
 *   | {status: 'closed', error: ErrorMessage | null}} Connection
 *
 * @typedef {Object} Delegate
 * @property {(connection: Connection) => void} onConnection
 * @property {(hello: Hello, fresh: boolean) => void} onHello  `fresh`: nothing that was received before holds
 * @property {(envelopes: Envelope[]) => void} onEvents
 * @property {(seq: number) => void} onRewind  events go on from there
 * @property {(message: Exclude<ServerMessage, Hello | Envelope>) => void} onMessage
 */

export class SessionClient {
  #scrollId;
  #wish;
  #ports;
  #delegate;

  /** @type {SocketLike | null} */
  #socket = null;
  #ready = false;
  #stopped = false;
  #attempt = 0;
  #openedAt = 0;
  #heartbeatMs = 15_000;
  #requests = 0;
  #acked = -1;

  /** @type {string | null} */
  #epoch = null;
  #gen = 0;
  /** The number of the next event; `null` before the first hello. @type {number | null} */
  #expected = null;

  /** Requests that move the cursor back and are not answered yet: what is acknowledged meanwhile would be stale. @type {Set<string>} */
  #moves = new Set();
  /** What was asked for while there was no connection. @type {Control | null} */
  #deferred = null;
  /** @type {ErrorMessage | null} */
  #lastError = null;
  /** @type {(() => void) | null} */
  #cancelTimer = null;

  /**
   * @param {string} scrollId
   * @param {Wish} wish
   * @param {Ports} ports
   * @param {Delegate} delegate
   */
  constructor(scrollId, wish, ports, delegate) {
    this.#scrollId = scrollId;
    this.#wish = { ...wish };
    this.#ports = ports;
    this.#delegate = delegate;
  }

  /** Opens the connection, at once: at the start, after a close, or instead of waiting for the next attempt. */
  connect() {
    this.#drop();
    this.#stopped = false;
    this.#lastError = null;
    this.#delegate.onConnection({ status: 'connecting' });
    const socket = this.#ports.open(this.#path(), SUBPROTOCOL);
    this.#socket = socket;
    socket.onmessage = (event) => this.#receive(event.data);
    socket.onclose = (event) => this.#closed(event.code);
    socket.onerror = () => {}; // a close event follows, and says more
    this.#watch(CONNECT_TIMEOUT_MS);
  }

  /**
   * Opens another connection, in which meta events are numbered too, or are not: nothing received before holds.
   *
   * @param {boolean} meta
   * @param {number} startMs  recorded time of the first event to be sent
   */
  renumber(meta, startMs) {
    this.#wish = { ...this.#wish, meta, startMs, startSeq: null };
    this.#expected = null;
    this.#epoch = null;
    this.#deferred = null;
    this.connect();
  }

  /** Ends it for good. */
  stop() {
    this.#stopped = true;
    this.#drop();
  }

  /**
   * Sends a command; one given while disconnected is sent on return, the last of each field counting.
   *
   * @param {Control} control
   * @return {string | null} the request id that the answering `state` will carry, `null` when it could not be sent yet
   */
  send(control) {
    if (!this.#ready) {
      this.#deferred = { ...this.#deferred, ...control };
      delete this.#deferred.step; // counts from a position that will be another one
      return null;
    }
    const requestId = `r${++this.#requests}`;
    if (control.seek || (control.step && control.step.by < 0)) this.#moves.add(requestId);
    this.#write({ type: 'control', request_id: requestId, ...control });
    return requestId;
  }

  /** Tells the server that everything received so far was taken in. */
  acknowledge() {
    const seq = (this.#expected ?? 0) - 1;
    if (!this.#ready || this.#moves.size > 0 || seq <= this.#acked) return;
    this.#acked = seq;
    this.#write({ type: 'ack', seq });
  }

  // ----------------------------------------------------------------------------------------------------- receiving

  /** @param {unknown} data */
  #receive(data) {
    this.#watch(2 * this.#heartbeatMs);
    try {
      const messages = parse(typeof data === 'string' ? data : '');
      const [first] = messages;
      if (first?.type === 'event') this.#takeEvents(/** @type { Envelope[] } */ (messages));
      else if (first) this.#take(/** @type { Exclude<ServerMessage, Envelope> } */ (first));
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#lost();
    }
  }

  /** @param {Envelope[]} envelopes */
  #takeEvents(envelopes) {
    const fresh = [];
    for (const envelope of envelopes) {
      const gen = envelope.gen ?? this.#gen;
      if (gen < this.#gen || this.#expected === null) continue;
      if (gen > this.#gen) this.#rewind(gen, envelope.seq);
      if (envelope.seq > this.#expected) throw new ProtocolError('The server left out an event.');
      if (envelope.seq < this.#expected) continue;
      this.#expected += 1;
      fresh.push(envelope);
    }
    if (fresh.length > 0) this.#delegate.onEvents(fresh);
  }

  /** @param {Exclude<ServerMessage, Envelope>} message */
  #take(message) {
    if (message.type === 'hello') {
      this.#greet(message);
      return;
    }
    if (message.type === 'state') this.#follow(message);
    if (message.type === 'error') this.#lastError = message;
    if (message.type === 'notice' && message.code === 'archive_rewritten' && message.epoch) this.#epoch = message.epoch;
    if ('request_id' in message && message.request_id) this.#moves.delete(message.request_id);
    this.#delegate.onMessage(message);
  }

  /** @param {Hello} hello */
  #greet(hello) {
    const { state } = hello;
    const fresh = this.#expected !== null && this.#epoch !== hello.epoch;
    const moved = fresh || this.#expected !== state.seq;
    this.#epoch = hello.epoch;
    this.#gen = state.gen;
    this.#expected = state.seq;
    this.#acked = state.seq - 1;
    this.#heartbeatMs = hello.limits.heartbeat_ms;
    this.#openedAt = this.#ports.clock.now();
    this.#remember(state);
    this.#ready = true;
    this.#watch(2 * this.#heartbeatMs);
    this.#delegate.onHello(hello, fresh);
    if (moved) this.#delegate.onRewind(state.seq);
    this.#delegate.onConnection({ status: 'open' });
    const deferred = this.#deferred;
    this.#deferred = null;
    if (deferred) this.send(deferred);
  }

  /** @param {PlayerState} state */
  #follow(state) {
    this.#remember(state);
    if (state.gen > this.#gen) this.#rewind(state.gen, state.seq);
  }

  /**
   * @param {number} gen
   * @param {number} seq
   */
  #rewind(gen, seq) {
    this.#gen = gen;
    this.#expected = seq;
    this.#acked = seq - 1;
    this.#delegate.onRewind(seq);
  }

  /**
   * How to begin again, should the connection be lost.
   *
   * @param {PlayerState} state
   */
  #remember({ mode, speed, idle, status }) {
    this.#wish = { ...this.#wish, mode, speed, idle, paused: status === 'paused' };
  }

  // ---------------------------------------------------------------------------------------------------- connecting

  #path() {
    const { startMs, startSeq = null, mode, speed, idle, paused, meta = false } = this.#wish;
    const query = new URLSearchParams({
      mode,
      speed: String(speed),
      idle: idle === null ? 'off' : String(idle),
      paused: String(paused),
      hold: 'true',
      follow: 'true',
      batch: String(BATCH_BYTES),
      window: String(WINDOW_EVENTS),
      preview: String(PREVIEW_BYTES),
    });
    if (meta) query.set('meta', 'true');
    if (this.#expected !== null && this.#epoch !== null) {
      query.set('start_seq', String(this.#expected));
      query.set('epoch', this.#epoch);
    } else if (startSeq !== null) {
      query.set('start_seq', String(startSeq));
    } else {
      query.set('start_ms', String(Math.max(0, Math.round(startMs))));
    }
    return `/ws/sessions/${encodeURIComponent(this.#scrollId)}?${query}`;
  }

  /** @param {number} code */
  #closed(code) {
    const final = FINAL_CODES.has(code) || code === 1000 || (code >= 4500 && code <= 4999);
    if (!final) {
      this.#lost();
      return;
    }
    const error = this.#lastError;
    if (error?.code === POSITION_GONE && this.#expected === null && (this.#wish.startSeq ?? null) !== null) {
      this.#wish = { ...this.#wish, startSeq: null }; // an old link: the session is shorter now
      this.connect();
      return;
    }
    this.#drop();
    this.#delegate.onConnection({ status: 'closed', error: code === 1000 ? null : (error ?? refusal(code)) });
  }

  /** The connection is gone, or no good: come back later. */
  #lost() {
    const retryAfter = this.#lastError?.retry_after_ms ?? 0;
    if (this.#ready && this.#ports.clock.now() - this.#openedAt >= STEADY_MS) this.#attempt = 0;
    this.#drop();
    if (this.#stopped) return;
    const jitter = this.#ports.random() * Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** this.#attempt);
    const delay = Math.max(jitter, retryAfter);
    this.#attempt += 1;
    this.#cancelTimer = this.#ports.clock.after(delay, () => this.connect());
    this.#delegate.onConnection({ status: 'waiting', attempt: this.#attempt, retryAt: this.#ports.clock.now() + delay });
  }

  /** Lets go of the socket and of whatever was waited for. */
  #drop() {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#ready = false;
    this.#moves.clear();
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null;
    socket.close(1000);
  }

  /**
   * Silence for that long means that the connection is dead, whatever the socket says.
   *
   * @param {number} ms
   */
  #watch(ms) {
    this.#cancelTimer?.();
    this.#cancelTimer = this.#ports.clock.after(ms, () => this.#lost());
  }

  /** @param {object} message */
  #write(message) {
    this.#socket?.send(JSON.stringify(message));
  }
}

/**
 * @param {number} code
 * @return {ErrorMessage}
 */
function refusal(code) {
  return { type: 'error', code: 'refused', message: `The server ended the replay (close code ${code}).`, retryable: false };
}
