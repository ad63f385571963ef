/** The conformance vectors (docs/conformance.md) against the modules of the page: the connection, and what it shows. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { PlayerStore } from '../../static/player-store.js';
import { LISTED_GAP_MS, LONG_GAP_MS } from '../../static/playhead.js';
import { SessionClient } from '../../static/session-client.js';
import { FakeClock } from './clock.mjs';
import { sample, vectors } from './vectors.mjs';
import { FakeSocket } from './wire.mjs';

/** By how much the clock that is shown may differ from the server's: what both cut off to whole milliseconds. */
const ROUNDING_MS = 1.5;

/** @typedef {import('./vectors.mjs').Vector} Vector */
/** @typedef {import('./vectors.mjs').Step} Step */

const settled = () => new Promise((resolve) => setImmediate(resolve));

/** The page in front of one vector, and the server that the vector is. */
class Watching {
  clock = new FakeClock();
  /** @type {FakeSocket[]} */ sockets = [];
  /** @type {(() => void)[]} */ frames = [];
  /** The numbers of the events that were handed on. @type {number[]} */ seen = [];
  /** The events that hold now, by number. @type {Map<number, any>} */ events = new Map();
  /** The number of the event that comes next. */ next = 0;
  gen = 0;
  /** Whether the server waits for what the vector acknowledges. */ hasWindow = false;
  /** The last state of the server. @type {any} */ state = null;
  /** The id that the vector has for a command that is not answered yet, and the page's. @type {{ ours: string | undefined, its: string } | null} */ asked = null;

  /** @param {Vector} vector */
  constructor(vector) {
    this.vector = vector;
    const hello = sample(vector.steps.find((step) => step.expect?.type === 'hello')?.expect) ?? null;
    this.store = new PlayerStore('s', wish(vector), {
      api: /** @type {any} */ ({
        session: async () => hello?.session ?? { scroll_id: 's', title: '' },
        sessions: async () => ({ sessions: [], next_cursor: null, total: 0 }),
        timeline: async () => timeline(vector, hello),
      }),
      now: this.clock.now,
      after: this.clock.after,
      soon: (action) => this.frames.push(action),
      connect: (wish, delegate) => this.#client(wish, delegate),
    });
  }

  /** @param {any} wish @param {import('../../static/session-client.js').Delegate} delegate */
  #client(wish, delegate) {
    const heard = { ...delegate, onEvents: (/** @type {any[]} */ envelopes) => {
      this.seen.push(...envelopes.map((each) => each.seq));
      delegate.onEvents(envelopes);
    } };
    this.client = new SessionClient('s', wish, {
      clock: this.clock, random: () => 0,
      open: (path, protocol) => {
        this.sockets.push(new FakeSocket(path, protocol));
        return /** @type {FakeSocket} */ (this.sockets.at(-1));
      },
    }, heard);
    return this.client;
  }

  get socket() {
    return /** @type {FakeSocket} */ (this.sockets.at(-1));
  }

  /** @param {Step} step */
  async take(step) {
    this.clock.pass(Math.max(0, step.at_ms - this.clock.time));
    if (step.connect) await this.#connect(step.connect.parameters);
    else if (step.expect) await this.#say(sample(step.expect));
    else if (step.send?.type === 'control') this.#command(step.send);
    else if (step.send?.type === 'ack') this.#acknowledged(step.send.seq);
    else if (step.close !== undefined) this.socket.dies(step.close);
    else if (step.drop) this.socket.dies(1006);
  }

  /** @param {Record<string, any>} parameters */
  async #connect(parameters) {
    this.hasWindow = 'window' in parameters;
    if (this.sockets.length === 0) this.store.open();
    await settled();
    this.clock.pass(0);
    assert.equal(this.socket.closed, false, 'it has to come back');
    if (this.sockets.length === 1) return;
    assert.equal(this.socket.asked('start_seq'), parameters['start_seq'] ?? null);
    assert.equal(this.socket.asked('epoch'), sample(parameters['epoch']) ?? null);
  }

  /** What is asked for goes over the socket as it is written. @param {any} wanted */
  #command({ request_id: ours, type, ...fields }) {
    const its = /** @type {string} */ (this.client?.send(fields));
    assert.deepEqual(this.socket.sent.at(-1), { type, request_id: its, ...fields });
    this.asked = { ours, its };
  }

  /** By then the page has said at least that it came so far. @param {number} seq */
  #acknowledged(seq) {
    if (!this.hasWindow) return; // nobody has to say how far it came
    for (const action of this.frames.splice(0)) action();
    const acks = this.socket.sent.filter((each) => each.type === 'ack');
    assert.ok(acks.length > 0 && acks.at(-1).seq >= seq);
  }

  /** @param {any} message */
  async #say(message) {
    if (this.asked && ['state', 'error'].includes(message.type) && message.request_id === this.asked.ours) {
      message.request_id = this.asked.its;
      this.asked = null;
    }
    if (message.type === 'state') this.#checkClock(message);
    this.socket.says(message);
    await settled();
    this.#note(message);
    this.#check(message);
  }

  /** The clock that was shown until now runs as the server's. @param {any} message */
  #checkClock(message) {
    const { status, mode, idle, t_ms: before } = this.state;
    if (status !== 'playing' || mode !== 'realtime' || idle !== null || message.did_seek || message.gen > this.gen) return;
    if (message.t_ms - before >= LONG_GAP_MS || message.late_ms > 0) return; // not waited for, or waited for without time passing
    assert.ok(Math.abs(this.store.position() - message.t_ms) <= ROUNDING_MS * message.speed, `${this.store.position()} where it is ${message.t_ms}`);
  }

  /** @param {any} message */
  #note(message) {
    if (message.type === 'hello') {
      this.gen = 0;
      this.state = message.state;
      this.next = message.state.seq;
    } else if (message.type === 'state') {
      this.state = message;
      if (message.gen > this.gen) this.next = message.seq;
      this.gen = message.gen;
    }
    for (const event of message.events ?? (message.type === 'event' ? [message] : [])) {
      if (message.gen < this.gen || (message.gen === this.gen && event.seq !== this.next)) continue;
      this.gen = message.gen;
      this.next = event.seq + 1;
      this.state = { ...this.state, t_ms: event.t_ms };
      this.events.set(event.seq, event.event);
    }
  }

  /** What is shown is what the server said. @param {any} message */
  #check(message) {
    const shown = this.store.getState();
    if (this.sockets.at(-1)?.closed || this.state === null) return;
    const { status, mode, speed, idle } = this.state;
    assert.deepEqual({ status: shown.status, mode: shown.mode, speed: shown.speed, idle: shown.idle }, { status, mode, speed, idle });
    assert.equal(shown.cursor, this.next);
    if (message.type === 'state') assert.equal(Math.floor(this.store.position()), message.t_ms);
    if (message.type === 'skipped') assert.deepEqual(shown.skips.get(this.next), { fromMs: message.from_ms, toMs: message.to_ms });
    if (message.type === 'end') assert.deepEqual(shown.end, message);
    const isTold = message.code === 'bad_command' || (message.type === 'notice' && !QUIET.has(message.code));
    if (isTold) assert.ok(shown.notices.some((each) => each.message === message.message));
  }

  finish() {
    const { events, end, code } = /** @type {import('./vectors.mjs').Outcome} */ (this.vector.outcome);
    const shown = this.store.getState();
    const closed = { status: 'closed', error: null };
    if (end === 'completed') assert.deepEqual(shown.connection, closed);
    if (end === 'open') assert.equal(shown.connection.status, 'open');
    if (code === 'position_out_of_range') assert.equal(this.socket.asked('start_seq'), null, 'the page shows it from the beginning');
    else if (end === 'refused') assert.deepEqual([shown.phase, shown.failure?.code], ['failed', code]);
    if (end === 'broken') assert.equal(shown.connection.status, 'waiting');
    assert.equal(shown.resets, end === 'rewritten' ? 1 : 0);
    assert.deepEqual(end === 'rewritten' ? this.seen.slice(0, events.length) : this.seen, events);
    for (const [seq, event] of end === 'rewritten' ? [] : this.events) assert.deepEqual(this.store.log.get(seq)?.event, event);
    this.store.close();
  }
}

/** What the page tells in other ways than in the words of the server. */
const QUIET = new Set(['archive_rewritten', 'server_stopping', 'index_complete']);

/** @param {Vector} vector */
function wish({ steps }) {
  const { mode = 'fast', speed = '1', idle = 'off', start_ms = '0', start_seq, paused = 'false', meta = 'false' } = steps[0]?.['connect']?.parameters ?? {};
  return {
    mode, speed: Number(speed), idle: idle === 'off' ? null : Number(idle), startMs: Number(start_ms),
    startSeq: start_seq === undefined ? null : Number(start_seq), paused: ['true', '1'].includes(paused), meta: meta === 'true',
  };
}

/** The timeline as far as the vector tells of it. @param {Vector} vector @param {any} hello */
function timeline(vector, hello) {
  const { next_seq: count, duration_ms } = hello?.range ?? { next_seq: 0, duration_ms: 0 };
  const said = vector.steps.flatMap((step) => step.expect?.events ?? (step.expect?.type === 'event' ? [step.expect] : []));
  const times = new Map(said.filter((each) => each.seq < count).map((each) => [each.seq, each.t_ms]));
  const gaps = [];
  for (const [seq, end_ms] of times) {
    const start_ms = times.get(seq - 1) ?? end_ms;
    if (end_ms - start_ms >= LISTED_GAP_MS) gaps.push({ start_ms, end_ms });
  }
  return { epoch: hello?.epoch ?? '', count, duration_ms, markers: [], gaps, density: { bucket_ms: 0, counts: [] } };
}

for (const vector of vectors().filter((each) => each.outcome)) {
  test(`${vector.name}: ${vector.title}`, async () => {
    const watching = new Watching(vector);
    for (const [index, step] of vector.steps.entries()) {
      try {
        await watching.take(step);
      } catch (problem) {
        if (problem instanceof Error) problem.message = `step ${index + 1}: ${problem.message}`;
        throw problem;
      }
    }
    watching.finish();
  });
}
