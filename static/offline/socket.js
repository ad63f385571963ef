/**
 * A server's side of the socket, inside an exported file: it says over `onmessage` what `docs/protocol.md` has a server
 * say, so that the page's own client plays the file as it plays a server.
 *
 * The position is held as the server's player holds it: the next event, and how much of the silence before it is left.
 *
 * @import { Clock, SocketLike } from '../session-client.js'
 * @import { Control, Mode, Status, StepUnit } from '../protocol.js'
 * @import { Pack, View } from './pack.js'
 */

import { LISTED_GAP_MS, LONG_GAP_MS } from '../playhead.js';

/** Sent at once, and so drawn soon: a later command does not wait for more than that. */
const BATCH_EVENTS = 100;

/** Far enough that nobody takes the silence of a file for a lost connection, near enough for a timer of 31 bits. */
const HEARTBEAT_MS = 1_000_000_000;

/** A timer that waits longer than this is set again. */
const LONGEST_TIMER_MS = 60_000;

/** @implements {SocketLike} */
export class OfflineSocket {
  /** @type {((event: any) => void) | null} */ onopen = null;
  /** @type {((event: any) => void) | null} */ onmessage = null;
  /** @type {((event: any) => void) | null} */ onclose = null;
  /** @type {((event: any) => void) | null} */ onerror = null;

  #pack;
  #clock;
  /** @type {View} */
  #view;
  #window;

  #playing;
  /** @type {Mode} */
  #mode;
  #speed;
  /** The idle cap, `null` for none. @type {number | null} */
  #idleMs;
  #gen = 0;
  #cursor = 0;
  /** Recorded time reached, as of `#since`. */
  #tMs = 0;
  /** What is left before the next event, in milliseconds of playback at speed 1, as of `#since`. */
  #left = 0;
  #since = 0;
  /** Where a step forward ends that is on its way. @type {number | null} */
  #stepStop = null;
  /** What to answer once it has. @type {string | undefined} */
  #stepId;
  /** And whether it was a seek as well. */
  #stepSought = false;
  #acked;
  /** Whether all was sent since the last seek, and that was said. */
  #live = false;
  /** The event that playback was put right at, so that the silence before it was not crossed; -1 for none. */
  #landed = -1;

  /** The last of the commands that wait for a message to be found. @type {Promise<void> | null} */
  #looking = null;

  #closed = false;
  #running = false;
  #again = false;
  /** @type {(() => void) | null} */
  #cancelTimer = null;

  /**
   * @param {Pack} pack
   * @param {string} path  as for a server: what it asks for counts
   * @param {Clock} clock
   */
  constructor(pack, path, clock) {
    const query = new URL(path, 'file:///').searchParams;
    this.#pack = pack;
    this.#clock = clock;
    this.#view = pack.view(query.get('meta') === 'true');
    this.#window = Number(query.get('window') ?? Infinity);
    this.#playing = query.get('paused') !== 'true';
    this.#mode = /** @type {Mode} */ (query.get('mode') ?? 'fast');
    this.#speed = Number(query.get('speed') ?? 1);
    this.#idleMs = idleMs(query.get('idle'));
    const seq = query.get('start_seq');
    if (seq === null) this.#moveTo(Number(query.get('start_ms') ?? 0));
    else this.#moveToEvent(Number(seq));
    this.#acked = this.#cursor - 1;
    clock.after(0, () => this.#greet());
  }

  /** @param {string} text */
  send(text) {
    const message = JSON.parse(text);
    if (message.type === 'ack') {
      this.#acked = Math.max(this.#acked, message.seq);
      this.#run();
    } else if (this.#looking !== null || message.seek?.event_id !== undefined) {
      const looking = this.#obeyInTurn(this.#looking, message);
      this.#looking = looking;
      void looking.then(() => {
        if (this.#looking === looking) this.#looking = null;
      });
    } else this.#obey(message, message.request_id);
  }

  close() {
    this.#closed = true;
    this.#cancelTimer?.();
  }

  // ------------------------------------------------------------------------------------------------------ position

  get #count() {
    return this.#view.times.length;
  }

  /** @param {number} seq */
  #time(seq) {
    return this.#view.times[seq] ?? this.#view.times.at(-1) ?? 0;
  }

  /** The silence before an event, as recorded. @param {number} seq */
  #gap(seq) {
    return seq > 0 && seq < this.#count ? this.#time(seq) - this.#time(seq - 1) : 0;
  }

  /** The same as it is played, at speed 1. @param {number} seq */
  #length(seq) {
    const reads = this.#mode === 'reading' && seq > 0 && seq < this.#count;
    const gap = reads ? this.#view.reading(seq - 1) : this.#gap(seq);
    if (this.#mode === 'fast' || gap >= LONG_GAP_MS) return 0;
    return Math.min(gap, this.#idleMs ?? Infinity);
  }

  /** What is left before the next event; below 0 once it should have come. */
  #leftNow() {
    return this.#playing ? this.#left - (this.#clock.now() - this.#since) * this.#speed : this.#left;
  }

  /** Recorded time reached by now. */
  #reached() {
    const length = this.#length(this.#cursor);
    if (length === 0) return this.#tMs;
    const share = Math.min(1, Math.max(0, this.#leftNow() / length));
    return this.#time(this.#cursor) - share * this.#gap(this.#cursor);
  }

  /** To a recorded time: the next event is the first at or after it. @param {number} tMs */
  #moveTo(tMs) {
    const { times } = this.#view;
    let low = 0;
    for (let high = times.length; low < high;) {
      const middle = (low + high) >> 1;
      if ((times[middle] ?? 0) < tMs) low = middle + 1;
      else high = middle;
    }
    this.#cursor = low;
    this.#land(Math.min(tMs, this.#time(this.#count)));
  }

  /** @param {number} seq */
  #moveToEvent(seq) {
    this.#cursor = Math.min(Math.max(0, seq), this.#count);
    this.#land(this.#time(this.#cursor));
  }

  /** @param {number} tMs */
  #land(tMs) {
    this.#settle(tMs);
    this.#landed = tMs === this.#time(this.#cursor) ? this.#cursor : -1;
  }

  /** Begins to count from here. @param {number} tMs  recorded time, no later than the next event */
  #settle(tMs) {
    const gap = this.#gap(this.#cursor);
    const share = gap > 0 ? Math.min(1, Math.max(0, (this.#time(this.#cursor) - tMs) / gap)) : 0;
    this.#tMs = tMs;
    this.#left = share * this.#length(this.#cursor);
    this.#since = this.#clock.now();
  }

  // ------------------------------------------------------------------------------------------------------ commands

  /**
   * @param {Control} control
   * @param {string} [requestId]
   */
  #obey({ play, seek, mode, speed, idle, step }, requestId) {
    if ([play, seek, mode, speed, step].every((each) => (each ?? null) === null) && idle === undefined) {
      this.#tell(requestId); // it only asks, and changes nothing
      return;
    }
    this.#endStep();
    const before = this.#reached();
    const left = this.#leftNow();
    this.#playing = step ? false : (play ?? this.#playing);
    this.#mode = mode ?? this.#mode;
    this.#speed = speed ?? this.#speed;
    if (idle !== undefined) this.#idleMs = idle === null ? null : idle * 1000;
    this.#settle(before);
    // What was not read yet is still to be read: the recorded times may not tell how much that is.
    if (this.#mode === 'reading' && (mode ?? null) === null && idle === undefined) this.#left = Math.max(0, left);
    if (seek) this.#seek(seek);
    if (step && step.by > 0) this.#stepForward(step, requestId, Boolean(seek));
    else {
      if (step) this.#stepBack(step);
      this.#tell(requestId, Boolean(seek ?? step));
    }
    this.#run();
  }

  /**
   * A command that names a message by its id, once it is known where that is; and one that came after such a one.
   *
   * @param {Promise<void> | null} before
   * @param {Control & { request_id?: string }} message
   */
  async #obeyInTurn(before, { request_id: requestId, ...control }) {
    await before;
    if (!control.seek || !('event_id' in control.seek)) {
      this.#obey(control, requestId);
      return;
    }
    const seq = await this.#pack.find(this.#view, control.seek.event_id);
    if (seq !== null) this.#obey({ ...control, seek: { seq } }, requestId);
    else this.#say({ type: 'error', code: 'bad_command', message: 'there is no such message', retryable: false, request_id: requestId });
  }

  /** @param {NonNullable<Control['seek']>} seek */
  #seek(seek) {
    if ('t_ms' in seek) this.#moveTo(seek.t_ms);
    else if ('seq' in seek) this.#moveToEvent(seek.seq);
    this.#rewound();
  }

  /** A step that is on its way ends here, and is answered. */
  #endStep() {
    if (this.#stepStop === null) return;
    this.#stepStop = null;
    this.#tell(this.#stepId, this.#stepSought);
  }

  #rewound() {
    this.#gen += 1;
    this.#live = false;
    this.#acked = this.#cursor - 1;
  }

  /**
   * @param {{ by: number, unit: StepUnit }} step
   * @param {string | undefined} requestId
   * @param {boolean} sought
   */
  #stepForward({ by, unit }, requestId, sought) {
    const places = this.#places(unit);
    const nth = places === null ? null : places.filter((seq) => seq >= this.#cursor)[by - 1];
    this.#stepStop = Math.min(this.#count, places === null ? this.#cursor + by : (nth ?? this.#count) + 1);
    this.#stepId = requestId;
    this.#stepSought = sought;
  }

  /** @param {{ by: number, unit: StepUnit }} step */
  #stepBack({ by, unit }) {
    const places = this.#places(unit);
    this.#moveToEvent(places === null ? this.#cursor + by : (places.filter((seq) => seq < this.#cursor).at(by) ?? 0));
    this.#rewound();
  }

  /** The events at which a unit begins; `null` where that is each. @param {StepUnit} unit */
  #places(unit) {
    if (unit === 'event') return null;
    return this.#view.markers.filter((each) => each.kind === unit).map((each) => each.seq);
  }

  // --------------------------------------------------------------------------------------------------------- words

  #greet() {
    if (this.#closed) return;
    const { times } = this.#view;
    this.#say({
      type: 'hello', protocol: 'scrollcast.v1', server: { name: 'file', version: '' }, replay_id: 'file', epoch: this.#pack.epoch, resume: 'none',
      session: this.#pack.session, range: { first_seq: 0, next_seq: times.length, duration_ms: times.at(-1) ?? 0, live: false },
      capabilities: ['control', 'batch', 'window', 'reading'], limits: { max_command_bytes: 65_536, heartbeat_ms: HEARTBEAT_MS }, server_time: '', state: this.#state(),
    });
    this.#run();
  }

  /** @returns {Status} */
  #status() {
    if (!this.#playing) return 'paused';
    return this.#live ? 'live' : 'playing';
  }

  #state() {
    return {
      status: this.#status(), seq: this.#cursor, t_ms: Math.floor(this.#reached()), gen: this.#gen, mode: this.#mode, speed: this.#speed,
      idle: this.#idleMs === null ? null : this.#idleMs / 1000, did_seek: false, late_ms: 0,
    };
  }

  /**
   * @param {string} [requestId]
   * @param {boolean} [didSeek]
   */
  #tell(requestId, didSeek = false) {
    this.#say({ type: 'state', ...this.#state(), did_seek: didSeek, ...(requestId === undefined ? {} : { request_id: requestId }) });
  }

  /** @param {object} message */
  #say(message) {
    if (!this.#closed) this.onmessage?.({ data: JSON.stringify(message) });
  }

  // ------------------------------------------------------------------------------------------------------- sending

  /** Sends what is due; what is asked for meanwhile is looked at when that is done. */
  #run() {
    this.#again = true;
    if (!this.#running) void this.#advance();
  }

  async #advance() {
    this.#running = true;
    try {
      while (this.#again && !this.#closed) {
        this.#again = false;
        await this.#sendDue();
      }
    } finally {
      this.#running = false;
    }
    this.#wait();
  }

  async #sendDue() {
    for (let stop = this.#due(); stop > this.#cursor; stop = this.#due()) {
      const [start, gen] = [this.#cursor, this.#gen];
      const end = this.#batchEnd(start, stop);
      const events = await this.#pack.events(this.#view, start, end);
      if (this.#closed) return;
      // A command came meanwhile: it may have gone elsewhere, or have stopped here.
      if (gen !== this.#gen || start !== this.#cursor || this.#due() < end) continue;
      this.#deliver(events, gen);
    }
    if (this.#cursor === this.#stepStop) this.#endStep();
    if (this.#playing && !this.#live && this.#cursor >= this.#count) {
      this.#live = true;
      this.#tell();
      this.#say({ type: 'caught_up', seq: this.#cursor });
    }
  }

  /** @param {import('../protocol.js').Envelope[]} events @param {number} gen */
  #deliver(events, gen) {
    const first = this.#cursor;
    const [gap, length] = [this.#gap(first), this.#length(first)];
    if (this.#playing && this.#mode !== 'fast' && gap >= LISTED_GAP_MS && length < gap && first !== this.#landed) {
      this.#say({ type: 'skipped', from_ms: this.#time(first - 1), to_ms: this.#time(first) });
    }
    const last = first + events.length - 1;
    // What comes next is counted from when these were due, so that nothing drifts.
    for (let seq = first + 1; seq <= last + 1; seq++) this.#left += this.#length(seq);
    if (!this.#playing) this.#left = this.#length(last + 1);
    this.#cursor = last + 1;
    this.#tMs = this.#time(last);
    const { routing, origin } = events[0] ?? {};
    this.#say({ type: 'events', gen, routing, origin, events: events.map(({ seq, t_ms, event }) => ({ seq, t_ms, event })) });
  }

  /** The end of the events that are to be sent now, as far as they may be. */
  #due() {
    const most = this.#allowed();
    if (this.#stepStop !== null) return Math.max(this.#cursor, Math.min(this.#stepStop, most));
    if (!this.#playing) return this.#cursor;
    if (this.#mode === 'fast') return Math.max(this.#cursor, most);
    let left = this.#leftNow();
    let stop = this.#cursor;
    while (stop < most && left <= 0) left += this.#length(++stop);
    return stop;
  }

  /** The end of the events that may be sent before more of them is acknowledged. */
  #allowed() {
    return Math.min(this.#count, this.#acked + 1 + this.#window);
  }

  /** One message ends before a silence that is cut, which is told first. @param {number} start @param {number} stop */
  #batchEnd(start, stop) {
    let end = start + 1;
    while (end < stop && end < start + BATCH_EVENTS && this.#gap(end) < LISTED_GAP_MS) end++;
    return end;
  }

  /** Comes back when the next event is due. */
  #wait() {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    if (this.#closed || !this.#playing || this.#cursor >= this.#allowed()) return; // an acknowledgement goes on
    const left = this.#mode === 'fast' ? 0 : Math.max(0, this.#leftNow());
    this.#cancelTimer = this.#clock.after(Math.min(left / this.#speed, LONGEST_TIMER_MS), () => this.#run());
  }
}

/** @param {string | null} text  seconds, or `off` */
function idleMs(text) {
  return text === null || text === 'off' ? null : Number(text) * 1000;
}
