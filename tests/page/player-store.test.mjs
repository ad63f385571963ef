import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';

import { ApiError } from '../../static/api.js';
import { Pairs } from '../../static/pairs.js';
import { END_MS, PlayerStore } from '../../static/player-store.js';
import { SessionClient } from '../../static/session-client.js';
import { turnBefore } from '../../static/turns.js';
import { FakeClock } from './clock.mjs';
import { FakeSocket, event, hello, state } from './wire.mjs';

const WISH = { startMs: 0, mode: /** @type {const} */ ('realtime'), speed: 1, idle: 5, paused: false };
const TIMELINE = {
  epoch: 'e1', count: 100, duration_ms: 99_000,
  markers: [
    { seq: 0, t_ms: 0, kind: 'turn', label: 'One' },
    { seq: 10, t_ms: 10_000, kind: 'turn', label: 'Two' },
    { seq: 15, t_ms: 15_000, kind: 'error', label: 'Oh' },
    { seq: 20, t_ms: 20_000, kind: 'turn', label: 'Three' },
  ],
  gaps: [{ start_ms: 30_000, end_ms: 60_000 }],
  density: { bucket_ms: 0, counts: [] },
};

/** @type {FakeClock} */ let clock;
/** @type {FakeSocket[]} */ let sockets;
/** @type {PlayerStore} */ let store;
/** @type {{ start_seq: number, limit: number }[]} */ let asked;
/** @type {(() => void)[]} */ let frames;
/** @type {any} */ let api;
/** What the list says of the session. @type {any} */ let listed;
/** The sessions that the list says it has started. @type {any[]} */ const started = [];

const HITS = [3, 3, 40].map((seq) => ({ seq, t_ms: seq * 1000, kind: 'text', snippet: [{ text: 'tide', match: true }] }));
const LIVE = { session: { scroll_id: 's', title: 'A session', live: true }, range: { first_seq: 0, next_seq: 2, duration_ms: 1_000, live: true } };

beforeEach(async () => {
  clock = new FakeClock();
  sockets = [];
  asked = [];
  frames = [];
  listed = hello(0).session;
  api = {
    session: async (/** @type {string} */ id) => (id === 's' ? listed : { scroll_id: id, title: `Session ${id}` }),
    sessions: async () => ({ sessions: started, next_cursor: null, total: 0 }),
    hits: async () => ({ hits: HITS, complete: true }),
    timeline: async () => TIMELINE,
    events: async (/** @type {string} */ _id, /** @type {{ start_seq: number, limit: number }} */ range) => {
      asked.push(range);
      return { events: Array.from({ length: range.limit }, (_, index) => event(range.start_seq + index)), next_seq: null };
    },
  };
  open(WISH);
  await settled();
});

/** @param {import('../../static/session-client.js').Wish} wish */
function open(wish) {
  store = new PlayerStore('s', wish, {
    api,
    now: clock.now,
    after: clock.after,
    soon: (action) => frames.push(action),
    connect: (wish, delegate) => new SessionClient('s', wish, {
      clock, random: () => 1,
      open: (path, protocol) => {
        const socket = new FakeSocket(path, protocol);
        sockets.push(socket);
        return socket;
      },
    }, delegate),
  });
  store.open();
}

const socket = () => /** @type {FakeSocket} */ (sockets.at(-1));
const settled = () => new Promise((resolve) => setImmediate(resolve));
const last = () => socket().sent.at(-1);

describe('state', () => {
  test('is opening until the server greets', () => {
    assert.equal(store.getState().phase, 'opening');
    socket().says(hello(0));
    assert.equal(store.getState().phase, 'ready');
    assert.equal(store.getState().status, 'playing');
    assert.equal(store.getState().count, 100);
  });

  test('changes when the server says so, not when it is asked', () => {
    socket().says(hello(0));
    store.dispatch({ type: 'pause' });
    store.dispatch({ type: 'speed', speed: 8 });
    assert.equal(store.getState().status, 'playing');
    assert.equal(store.getState().speed, 1);
    socket().says(state(0, { status: 'paused', speed: 8 }));
    assert.equal(store.getState().status, 'paused');
    assert.equal(store.getState().speed, 8);
  });

  test('listeners see before and after, until they end it', () => {
    /** @type {number[][]} */
    const seen = [];
    const end = store.subscribe((after, before) => seen.push([before.cursor, after.cursor]));
    socket().says(hello(0), event(0));
    assert.deepEqual(seen.at(-1), [0, 1]);
    end();
    const { length } = seen;
    socket().says(event(1));
    assert.equal(seen.length, length);
  });

  test('events move the cursor and the playhead, and stay in the log', () => {
    socket().says(hello(0), event(0), event(1), event(2));
    assert.equal(store.getState().cursor, 3);
    assert.equal(store.position(), 2_000);
    clock.pass(400);
    assert.equal(store.position(), 2_400);
    assert.ok(store.log.holds(0, 3));
  });

  test('what was received is acknowledged once a frame', () => {
    socket().says(hello(0), event(0), event(1));
    assert.equal(frames.length, 1);
    frames.pop()?.();
    assert.deepEqual(last(), { type: 'ack', seq: 1 });
  });

  test('a session that the server does not have fails in its words', () => {
    socket().says({ type: 'error', code: 'session_not_found', message: 'There is no such session.', retryable: false });
    socket().dies(4504);
    assert.equal(store.getState().phase, 'failed');
    assert.deepEqual(store.getState().failure, { code: 'session_not_found', message: 'There is no such session.' });
  });

  test('a lost connection stops the clock and keeps what is shown', () => {
    socket().says(hello(0), event(0), event(1));
    socket().dies(1006);
    const position = store.position();
    clock.pass(300);
    assert.equal(store.position(), position);
    assert.equal(store.getState().phase, 'ready');
    assert.equal(store.getState().cursor, 2);
  });

  test('a skipped silence is kept by the event after it', () => {
    socket().says(hello(0), event(0), { type: 'skipped', from_ms: 0, to_ms: 90_000 }, event(1, { t_ms: 90_000 }));
    assert.deepEqual([...store.getState().skips], [[1, { fromMs: 0, toMs: 90_000 }]]);
  });

  test('a notice stays until it is dismissed, and is told once', () => {
    const notice = { type: 'notice', level: 'warning', code: 'records_skipped', message: 'Two records.', count: 2, lines: [17, 403] };
    socket().says(hello(0), notice, notice);
    const [item] = store.getState().notices;
    assert.deepEqual(item?.lines, [17, 403]);
    assert.equal(store.getState().notices.length, 1);
    store.dispatch({ type: 'dismiss', id: item?.id ?? 0 });
    assert.deepEqual(store.getState().notices, []);
  });

  test('a session that was still being read grows, and nobody is told', async () => {
    const range = { first_seq: 0, next_seq: 500, duration_ms: 499_000, live: false };
    socket().says(hello(0), { type: 'notice', level: 'info', code: 'index_complete', message: 'Read.', range });
    assert.equal(store.getState().count, 500);
    assert.equal(store.getState().durationMs, 499_000);
    assert.deepEqual(store.getState().notices, []);
  });

  test('an archive that was rewritten empties the log, and playback goes back to about where it was', async () => {
    const rewritten = { type: 'notice', level: 'info', code: 'archive_rewritten', message: 'New.', epoch: 'e2' };
    socket().says(hello(0), ...[0, 1, 2].map((seq) => event(seq)), rewritten);
    assert.deepEqual(last(), { type: 'control', request_id: 'r1', seek: { t_ms: 2_000 } });
    assert.equal(store.getState().returning, true);
    api.timeline = async () => ({ ...TIMELINE, epoch: 'e2', count: 40, duration_ms: 39_000 });
    socket().says(event(0, { gen: 1 }), state(2, { gen: 2, request_id: 'r1' }), event(2, { gen: 2 }));
    await settled();
    assert.deepEqual(store.getState().notices, []);
    const { epoch, cursor, resets, returning, durationMs } = store.getState();
    assert.deepEqual({ epoch, cursor, resets, returning }, { epoch: 'e2', cursor: 3, resets: 1, returning: false });
    assert.ok(durationMs <= 99_000);
    assert.equal(store.log.get(1), null);
  });

  test('a session that came back with another content is played on from about there', () => {
    socket().says(hello(0), event(0), event(1));
    socket().dies(1006);
    clock.pass(10_000);
    socket().says(hello(0, { epoch: 'e2', resume: 'reset' }));
    assert.deepEqual(last().seek, { t_ms: 1_000 });
    assert.equal(store.getState().resets, 1);
  });
});

describe('commands', () => {
  beforeEach(() => socket().says(hello(0), event(0), event(1)));

  test('play after the end is a replay from the start', () => {
    socket().says(state(100, { status: 'ended', t_ms: 99_000 }));
    store.dispatch({ type: 'toggle' });
    assert.deepEqual(last(), { type: 'control', request_id: 'r1', play: true, seek: { t_ms: 0 } });
  });

  test('seeks count from where playback was asked to go, not from where it still is', () => {
    store.dispatch({ type: 'seek-by', ms: 5_000 });
    store.dispatch({ type: 'seek-by', ms: 5_000 });
    assert.deepEqual(last().seek, { t_ms: 11_000 });
    assert.equal(store.position(), 11_000);
    socket().says(state(6, { gen: 1, request_id: 'r1' }), state(11, { gen: 2, request_id: 'r2' }));
    assert.equal(store.getState().pendingMs, null);
    assert.equal(store.position(), 11_000);
  });

  test('seeks stay inside the session, whose end is after its last event', () => {
    store.dispatch({ type: 'seek-by', ms: -60_000 });
    assert.deepEqual(last().seek, { t_ms: 0 });
    store.dispatch({ type: 'seek', tMs: 1e9 });
    assert.deepEqual(last().seek, { t_ms: 99_001 });
    assert.equal(store.position(), 99_000);
  });

  test('while the session is being read nobody knows where its end is but the server', () => {
    const range = { first_seq: 0, next_seq: 2, duration_ms: 1_000, live: false };
    api.timeline = () => new Promise(() => {});
    open(WISH);
    store.dispatch({ type: 'seek', tMs: END_MS });
    socket().says(hello(0, { range: { ...range, complete: false } }));
    assert.deepEqual(last().seek, { t_ms: END_MS });
    store.dispatch({ type: 'seek', tMs: 5_000 });
    assert.deepEqual(last().seek, { t_ms: 5_000 });
    assert.equal(store.position(), 1_000);
    socket().says({ type: 'notice', level: 'info', code: 'index_complete', message: '', range: { ...range, next_seq: 100, duration_ms: 99_000 } });
    store.dispatch({ type: 'seek', tMs: END_MS });
    assert.deepEqual(last().seek, { t_ms: 99_001 });
  });

  test('a key that comes before the greeting means what it would right after it', () => {
    for (const paused of [false, true]) {
      open({ ...WISH, paused });
      store.dispatch({ type: 'toggle' });
      socket().says(hello(0, { state: { status: paused ? 'paused' : 'playing' } }));
      assert.equal(last().play, paused);
    }
  });

  test('pressed twice before the greeting, a key has done nothing', () => {
    open({ ...WISH, paused: true });
    store.dispatch({ type: 'toggle' });
    store.dispatch({ type: 'toggle' });
    socket().says(hello(0, { state: { status: 'paused' } }));
    assert.equal(last().play, false);
  });

  test('pressed twice before the server answers, play is pause', () => {
    socket().says(state(6, { status: 'paused' }));
    store.dispatch({ type: 'toggle' });
    store.dispatch({ type: 'toggle' });
    store.dispatch({ type: 'toggle' });
    assert.deepEqual(socket().sent.slice(-3).map(({ play }) => play), [true, false, true]);
    assert.equal(store.getState().status, 'paused'); // nothing is shown before the server has said so
    store.dispatch({ type: 'step', by: 1, unit: 'event' }); // which stops
    store.dispatch({ type: 'toggle' });
    assert.equal(last().play, true);
    socket().says(state(7, { status: 'paused', request_id: last().request_id })); // it stopped again by itself
    store.dispatch({ type: 'toggle' });
    assert.equal(last().play, true);
  });

  test('what was asked for is where the next key starts from, until it is answered or refused', () => {
    store.dispatch({ type: 'speed', speed: 4 });
    store.dispatch({ type: 'pace', pace: 'reading' });
    store.dispatch({ type: 'speed', speed: 'max' });
    const { mode, paced, speed, idle } = store.heading();
    assert.deepEqual({ mode, paced, speed, idle }, { mode: 'fast', paced: 'reading', speed: 4, idle: null });
    socket().says({ type: 'error', code: 'bad_command', message: 'No.', fatal: false, request_id: last().request_id });
    assert.equal(store.heading().mode, store.getState().mode);
    assert.equal(store.heading().speed, store.getState().speed);
  });

  test('the start of a session without a length is not its end', () => {
    api.timeline = () => new Promise(() => {});
    open(WISH);
    socket().says(hello(0, { range: { first_seq: 0, next_seq: 1, duration_ms: 0, live: false } }));
    store.dispatch({ type: 'seek', tMs: 0 });
    assert.deepEqual(last().seek, { t_ms: 0 });
    store.dispatch({ type: 'seek', tMs: END_MS });
    assert.deepEqual(last().seek, { t_ms: 1 });
  });

  test('a seek shows in the cursor, and that all is to be drawn anew', () => {
    const { rewinds } = store.getState();
    store.dispatch({ type: 'seek', tMs: 40_000 });
    socket().says(state(40, { gen: 1, did_seek: true, request_id: 'r1' }));
    assert.equal(store.getState().cursor, 40);
    assert.equal(store.getState().rewinds, rewinds + 1);
  });

  test('a turn is gone to so that it comes next, or, when stopped, so that it is seen', () => {
    store.dispatch({ type: 'next', kind: 'turn' });
    assert.deepEqual(last().seek, { seq: 10 });
    socket().says(state(10, { gen: 1, status: 'paused' }));
    store.dispatch({ type: 'next', kind: 'error' });
    assert.deepEqual(socket().sent.slice(-2).map(({ seek, step }) => seek ?? step), [{ seq: 15 }, { by: 1, unit: 'event' }]);
  });

  test('pressed twice before the server answers, next and previous lead to the one after', () => {
    socket().says(state(6, { status: 'paused' }));
    store.dispatch({ type: 'next', kind: 'turn' });
    store.dispatch({ type: 'next', kind: 'turn' });
    const turns = TIMELINE.markers.filter((each) => each.kind === 'turn' && each.seq >= 6).map((each) => each.seq);
    assert.deepEqual(socket().sent.flatMap(({ seek }) => (seek ? [seek.seq] : [])).slice(-2), turns.slice(0, 2));
    const { request_id: answered } = last();
    socket().says(state((turns[1] ?? 0) + 1, { gen: 2, status: 'paused', request_id: answered }));
    store.dispatch({ type: 'previous', kind: 'turn' });
    assert.deepEqual(socket().sent.findLast(({ seek }) => seek)?.seek, { seq: turns[0] });
    store.dispatch({ type: 'seek', tMs: 0 });
    socket().says(state(0, { gen: 4, status: 'paused' }));
    store.dispatch({ type: 'next', kind: 'turn' });
    assert.deepEqual(socket().sent.findLast(({ seek }) => seek)?.seek, { seq: TIMELINE.markers[0]?.seq });
  });

  test('before the timeline has come, the server knows where the next turn and the next error are', async () => {
    api.timeline = () => new Promise(() => {});
    open(WISH);
    await settled();
    socket().says(hello(0));
    for (const kind of /** @type {const} */ (['turn', 'error'])) {
      store.dispatch({ type: 'next', kind });
      assert.deepEqual(last().step, { by: 1, unit: kind });
      store.dispatch({ type: 'previous', kind });
      assert.deepEqual(last().step, { by: -1, unit: kind });
    }
  });

  test('where a timeline lists only some of the tools, the server knows which is the next', async () => {
    api.timeline = async () => ({ ...TIMELINE, left_out: ['tool'], markers: [...TIMELINE.markers, { seq: 50, t_ms: 50_000, kind: 'tool', label: 'ls' }] });
    open(WISH);
    await settled();
    socket().says(hello(0));
    store.dispatch({ type: 'next', kind: 'tool' });
    assert.deepEqual([last().step, last().seek], [{ by: 1, unit: 'tool' }, undefined]);
    store.dispatch({ type: 'previous', kind: 'tool' });
    assert.deepEqual(last().step, { by: -1, unit: 'tool' });
    store.dispatch({ type: 'next', kind: 'error' });
    assert.deepEqual(last().seek, { seq: 15 });
  });

  describe('where there are too many turns, gaps and errors to list', () => {
    /** @type {{ start: number, limit: number }[]} */ let pages;

    beforeEach(async () => {
      pages = [];
      api.timeline = async (/** @type {string} */ _id, /** @type {AbortSignal} */ _signal, /** @type {object} */ query) => {
        assert.deepEqual(query, { most: 2_000 });
        return { ...TIMELINE, left_out: ['turn', 'error', 'gap'], markers: TIMELINE.markers.slice(0, 1), gaps: [] };
      };
      api.table = async (/** @type {string} */ _id, /** @type {string} */ name) => (
        name === 'gaps' ? Pairs.of([[30_000, 60_000]]) : Pairs.of(Array.from({ length: 90 }, (_, index) => [index, index * 1_000]))
      );
      api.turns = async (/** @type {string} */ _id, /** @type {{ start: number, limit: number }} */ range) => {
        pages.push(range);
        return { epoch: 'e1', turns: [{ number: 41, seq: 40, t_ms: 40_000, label: 'Go **on**' }], total: 90 };
      };
      open(WISH);
      await settled();
      socket().says(hello(0));
    });

    test('each turn is known all the same, and every gap', () => {
      const { timeline } = store.getState();
      assert.deepEqual([timeline?.turns.length, timeline?.gaps.length], [90, 1]);
      assert.deepEqual(turnBefore(timeline, 41), { number: 41, seq: 40, t_ms: 40_000, label: null });
      store.dispatch({ type: 'next', kind: 'turn' });
      assert.deepEqual(last().seek, { seq: 0 });
    });

    test('what a turn begins with is fetched once, when it is to be seen', async () => {
      const { labelled } = store.getState();
      for (let times = 0; times < 3; times++) store.dispatch({ type: 'load-turns', from: 40, to: 60 });
      await settled();
      assert.deepEqual(pages, [{ start: 0, limit: 100 }]);
      assert.equal(turnBefore(store.getState().timeline, 41)?.label, 'Go on');
      assert.equal(store.getState().labelled, labelled + 1);
    });

    test('one that could not be fetched is asked for again when there is a connection again', async () => {
      const turns = api.turns;
      api.turns = async () => Promise.reject(new ApiError(0, 'unreachable', ''));
      store.dispatch({ type: 'load-turns', from: 40, to: 41 });
      await settled();
      api.turns = turns;
      store.dispatch({ type: 'load-turns', from: 40, to: 41 });
      await settled();
      assert.equal(turnBefore(store.getState().timeline, 41)?.label, null);
      socket().says(hello(0));
      store.dispatch({ type: 'load-turns', from: 40, to: 41 });
      await settled();
      assert.equal(turnBefore(store.getState().timeline, 41)?.label, 'Go on');
    });

    test('a page that failed keeps nothing else from being fetched', async () => {
      api.timeline = async () => ({ ...TIMELINE, count: 200, left_out: ['turn', 'gap'], markers: [], gaps: [] });
      api.table = async (/** @type {string} */ _id, /** @type {string} */ name) => (
        Pairs.of(Array.from({ length: name === 'gaps' ? 0 : 150 }, (_, index) => [index, index * 1_000]))
      );
      open(WISH);
      await settled();
      socket().says(hello(0));
      const turns = api.turns;
      api.turns = async () => Promise.reject(new ApiError(500, 'internal_error', ''));
      store.dispatch({ type: 'load-turns', from: 40, to: 41 });
      await settled();
      api.turns = turns;
      for (const from of [60, 120]) {
        store.dispatch({ type: 'load-turns', from, to: from + 10 });
        await settled();
      }
      assert.deepEqual(pages, [{ start: 100, limit: 100 }]);
    });

    test('where turns have come, those of a page are fetched again', async () => {
      store.dispatch({ type: 'load-turns', from: 80, to: 90 });
      await settled();
      api.table = async (/** @type {string} */ _id, /** @type {string} */ name) => (
        name === 'gaps' ? Pairs.of([]) : Pairs.of(Array.from({ length: 95 }, (_, index) => [index, index * 1_000]))
      );
      listed = { ...listed, live: true, count: 120 };
      api.timeline = async () => ({ ...TIMELINE, count: 120, duration_ms: 119_000, left_out: ['turn', 'gap'], markers: [], gaps: [] });
      store.dispatch({ type: 'refresh' });
      await settled();
      assert.equal(store.getState().timeline?.turns.length, 95);
      for (let times = 0; times < 2; times++) {
        store.dispatch({ type: 'load-turns', from: 85, to: 95 });
        await settled();
      }
      assert.deepEqual(pages, [{ start: 0, limit: 100 }, { start: 0, limit: 100 }, { start: 85, limit: 15 }]);
    });

    describe('of which the server does not look at all in one go', () => {
      const took = { tokens: { read: 5, written: 1 }, cost: null, whole: true };

      beforeEach(() => {
        api.turns = async (/** @type {string} */ _id, /** @type {{ start: number, limit: number }} */ range) => {
          pages.push(range);
          const places = Array.from({ length: 90 - range.start }, (_, at) => range.start + at);
          const turns = places.map((index, at) => ({ number: index + 1, seq: index, stop_seq: index + 1, t_ms: index * 1_000, label: `Turn ${index}`, spent: at < 30 ? took : null }));
          return { epoch: 'e1', turns, total: 90 };
        };
      });

      test('the rest is fetched when one of it is to be seen', async () => {
        for (const from of [10, 30, 30, 70, 70]) {
          store.dispatch({ type: 'load-turns', from, to: 90 });
          await settled();
        }
        assert.deepEqual(pages, [{ start: 0, limit: 100 }, { start: 30, limit: 70 }, { start: 70, limit: 30 }]);
        const { timeline } = store.getState();
        assert.deepEqual([timeline?.spent.size, timeline?.spent.get(31)], [80, { ...took, stop_seq: 32 }]);
      });

      test('one page is on its way at a time', async () => {
        store.dispatch({ type: 'load-turns', from: 0, to: 20 });
        store.dispatch({ type: 'load-turns', from: 40, to: 60 });
        await settled();
        assert.deepEqual(pages, [{ start: 0, limit: 100 }]);
        store.dispatch({ type: 'load-turns', from: 40, to: 60 });
        await settled();
        assert.equal(pages.length, 2);
      });
    });

    test('only the server knows which error is the next', () => {
      store.dispatch({ type: 'next', kind: 'error' });
      assert.deepEqual(last().step, { by: 1, unit: 'error' });
    });
  });

  test('previous is the beginning of this turn, or of the one before when it has just begun', () => {
    socket().says(state(14, { gen: 1, t_ms: 13_000 }));
    store.dispatch({ type: 'previous', kind: 'turn' });
    assert.deepEqual(last().seek, { seq: 10 });
    socket().says(state(11, { gen: 2, t_ms: 10_500 }));
    store.dispatch({ type: 'previous', kind: 'turn' });
    assert.deepEqual(last().seek, { seq: 0 });
  });

  test('as fast as possible, a seek stops where it leads', () => {
    store.dispatch({ type: 'speed', speed: 'max' });
    assert.equal(last().mode, 'fast');
    socket().says(state(2, { mode: 'fast' }));
    store.dispatch({ type: 'seek', tMs: 50_000 });
    assert.equal(last().play, false);
  });

  test('a refused command is said, and changes nothing', () => {
    store.dispatch({ type: 'seek', tMs: 40_000 });
    socket().says({ type: 'error', code: 'bad_command', message: 'No.', retryable: false, request_id: 'r1' });
    assert.equal(store.getState().pendingMs, null);
    assert.equal(store.getState().notices[0]?.message, 'No.');
  });
});

describe('silence', () => {
  test('waits and time left are told for the pace that is set', () => {
    socket().says(hello(0), state(30, { gen: 1, t_ms: 30_000, idle: 5 }));
    assert.equal(store.waitLeft(), 5_000);
    clock.pass(2_000);
    assert.equal(store.waitLeft(), 3_000);
    assert.equal(store.timeLeft(), 3_000 + 39_000);
  });
});

describe('history', () => {
  beforeEach(() => socket().says(hello(0, { state: { seq: 80 } })));

  test('what is missing is fetched, the latest first, a page at a time', async () => {
    store.dispatch({ type: 'load', from: 20, to: 80 });
    assert.deepEqual(store.getState().loading, { from: 20, to: 80 });
    await settled();
    assert.deepEqual(asked, [{ start_seq: 20, limit: 60 }]);
    assert.ok(store.log.holds(20, 80));
    assert.equal(store.getState().loading, null);
  });

  test('what is there is not fetched again', async () => {
    store.dispatch({ type: 'load', from: 60, to: 80 });
    await settled();
    store.dispatch({ type: 'load', from: 40, to: 80 });
    await settled();
    assert.deepEqual(asked[1], { start_seq: 40, limit: 20 });
    store.dispatch({ type: 'load', from: 40, to: 80 });
    assert.equal(asked.length, 2);
  });

  test('a page that ends early, as the server may, is followed by the rest', async () => {
    api.events = async (/** @type {string} */ _id, /** @type {{ start_seq: number, limit: number }} */ range) => {
      asked.push(range);
      return { events: [event(range.start_seq), event(range.start_seq + 1)], next_seq: null };
    };
    for (let page = 0; page < 3; page++) {
      store.dispatch({ type: 'load', from: 74, to: 80 });
      await settled();
    }
    assert.deepEqual(asked.map((each) => each.start_seq), [74, 76, 78]);
    assert.ok(store.log.holds(74, 80));
  });

  test('a page that does not come is said', async () => {
    api.events = async () => {
      throw new ApiError(500, 'archive_error', 'The file is gone.');
    };
    store.dispatch({ type: 'load', from: 60, to: 80 });
    await settled();
    assert.equal(store.getState().loadError, 'The file is gone.');
    assert.equal(store.getState().loading, null);
  });

  test('a page of an archive that was rewritten meanwhile is dropped', async () => {
    store.dispatch({ type: 'load', from: 60, to: 80 });
    socket().says({ type: 'notice', level: 'info', code: 'archive_rewritten', message: 'New.', epoch: 'e2' });
    await settled();
    assert.equal(store.log.size, 0);
  });
});

describe('live', () => {
  beforeEach(async () => {
    api.timeline = async () => ({ epoch: 'e1', count: 2, duration_ms: 1_000, markers: [], gaps: [], density: { bucket_ms: 0, counts: [] } });
    open(WISH);
    socket().says(hello(2, { ...LIVE, state: { status: 'live', t_ms: 1_000 } }));
    await settled();
  });

  const appended = (/** @type {number} */ seq, more = {}) => event(seq, { origin: { type: 'live' }, ...more });

  test('what is appended makes the session longer, with its marks', () => {
    const said = /** @type {any} */ (appended(2, { t_ms: 9_000 }));
    said.event.message.role = 'user';
    said.event.message.content = [{ type: 'text', text: 'Go **on**' }];
    socket().says(said);
    const { count, durationMs, timeline } = store.getState();
    assert.deepEqual({ count, durationMs }, { count: 3, durationMs: 9_000 });
    assert.deepEqual(timeline?.markers, [{ seq: 2, t_ms: 9_000, kind: 'turn', label: 'Go on' }]);
    assert.deepEqual([...(timeline?.gaps ?? [])], [[1_000, 9_000]]);
    assert.equal(store.isLive(), true);
  });

  test('there is no end, and pressing play or pause means what it says', () => {
    assert.equal(store.atEnd(), false);
    store.dispatch({ type: 'toggle' });
    assert.deepEqual([last().play, last().seek], [false, undefined]);
    socket().says(state(2, { status: 'paused', t_ms: 1_000 }));
    assert.equal(store.atEnd(), false);
    store.dispatch({ type: 'toggle' });
    assert.deepEqual([last().play, last().seek], [true, undefined]);
  });

  test('the way to what is being written is to its end, wherever that is by now', () => {
    socket().says(state(0, { gen: 1, t_ms: 0, status: 'paused' }));
    store.dispatch({ type: 'go-live' });
    assert.deepEqual([last().play, last().seek], [true, { t_ms: 1e12 }]);
    assert.equal(store.position(), 1_000);
    socket().says(state(2, { gen: 2, t_ms: 1_000, status: 'live', request_id: last().request_id }));
    const { length } = socket().sent;
    store.dispatch({ type: 'go-live' });
    assert.equal(socket().sent.length, length);
  });

  test('one who was live is live again after a reset', () => {
    socket().says({ type: 'notice', level: 'warning', code: 'archive_rewritten', message: 'New.', epoch: 'e2' });
    assert.deepEqual(last().seek, { t_ms: 1e12 });
  });

  test('a session that nobody writes any more is at its end, until somebody does', async () => {
    listed = { ...LIVE.session, live: false };
    store.dispatch({ type: 'refresh' });
    await settled();
    assert.equal(store.atEnd(), true);
    store.dispatch({ type: 'toggle' });
    assert.deepEqual(last().seek, { t_ms: 0 });
    socket().says(state(2, { status: 'live', t_ms: 1_000 }), appended(2));
    assert.equal(store.atEnd(), false);
    assert.equal(store.isLive(), true);
  });

  test('what comes behind the viewer\u2019s back makes the bar longer', async () => {
    socket().says(state(0, { gen: 1, t_ms: 0 }));
    listed = { ...LIVE.session, count: 50 };
    api.timeline = async () => ({ epoch: 'e1', count: 50, duration_ms: 49_000, markers: [], gaps: [], density: { bucket_ms: 0, counts: [] } });
    store.dispatch({ type: 'refresh' });
    await settled();
    assert.deepEqual([store.getState().count, store.getState().durationMs], [50, 49_000]);
  });
});

describe('relatives', () => {
  test('sessions that this one started are known by the call that did, its parent by its title', async () => {
    listed = { ...listed, parent_scroll_id: 'p' };
    started.push({ scroll_id: 'c', parent_scroll_id: 's', parent_call_id: 'call-1' }, { scroll_id: 'x', parent_scroll_id: 'y', parent_call_id: 'call-2' });
    open(WISH);
    await settled();
    started.length = 0;
    assert.deepEqual([...store.getState().children.keys()], ['call-1']);
    assert.equal(store.getState().parent?.title, 'Session p');
  });
});

describe('what was looked for', () => {
  beforeEach(async () => {
    socket().says(hello(0), event(0), event(1));
    store.dispatch({ type: 'find', q: 'tide' });
    await settled();
  });

  test('is known by event', () => {
    assert.deepEqual(store.getState().found?.items.map((each) => each.seq), [3, 40]);
    store.dispatch({ type: 'find', q: '' });
    assert.equal(store.getState().found, null);
  });

  test('is looked for again until the server has read the whole session', async () => {
    const answers = [{ hits: [], complete: false }, { hits: HITS.slice(0, 1), complete: false }, { hits: HITS, complete: true }];
    let times = 0;
    api.hits = async () => answers[times++];
    const shown = () => [store.getState().found?.items.length, store.getState().found?.complete];
    store.dispatch({ type: 'find', q: 'ebb' });
    await settled();
    assert.deepEqual(shown(), [0, false]);
    clock.pass(1_000);
    await settled();
    assert.deepEqual(shown(), [1, false]);
    clock.pass(1_000);
    await settled();
    assert.equal(times, 2, 'it waits twice as long');
    clock.pass(1_000);
    await settled();
    assert.deepEqual(shown(), [2, true]);
    clock.pass(60_000);
    assert.equal(times, 3);
  });

  for (const [name, end] of Object.entries({ 'the search has ended': () => store.dispatch({ type: 'find', q: '' }), 'the player is closed': () => store.close() })) {
    test(`is not looked for again when ${name}`, async () => {
      let times = 0;
      api.hits = async () => ({ hits: [], complete: times++ < 0 });
      store.dispatch({ type: 'find', q: 'ebb' });
      await settled();
      end();
      clock.pass(60_000);
      assert.equal(times, 1);
    });
  }

  test('is what was looked for last, whichever answer comes first', async () => {
    /** @type {((answer: unknown) => void)[]} */
    const answer = [];
    api.hits = () => new Promise((resolve) => void answer.push(resolve));
    store.dispatch({ type: 'find', q: 'ti' });
    store.dispatch({ type: 'find', q: 'tide' });
    answer[1]?.({ hits: HITS, complete: true });
    answer[0]?.({ hits: [], complete: true });
    await settled();
    assert.deepEqual([store.getState().found?.q, store.getState().found?.items.length], ['tide', 2]);
  });

  test('is stepped through, each place shown and stopped at', () => {
    store.dispatch({ type: 'next-hit' });
    assert.deepEqual(socket().sent.slice(-2).map(({ seek, step, play }) => ({ seek, step, play })), [
      { seek: { seq: 3 }, step: undefined, play: false }, { seek: undefined, step: { by: 1, unit: 'event' }, play: undefined },
    ]);
    assert.equal(store.position(), 3_000);
    socket().says(state(41, { gen: 1, status: 'paused', request_id: last().request_id }));
    store.dispatch({ type: 'previous-hit' });
    assert.deepEqual(socket().sent.at(-2).seek, { seq: 3 });
  });

  test('goes round the end, both ways', () => {
    socket().says(state(41, { gen: 1, status: 'paused' }));
    store.dispatch({ type: 'next-hit' });
    assert.deepEqual(socket().sent.at(-2).seek, { seq: 3 });
    socket().says(state(4, { gen: 2, status: 'paused', request_id: last().request_id }));
    store.dispatch({ type: 'previous-hit' });
    assert.deepEqual(socket().sent.at(-2).seek, { seq: 40 });
  });

  test('means the place after the next when a key is pressed twice', () => {
    store.dispatch({ type: 'next-hit' });
    store.dispatch({ type: 'next-hit' });
    assert.deepEqual(socket().sent.at(-2).seek, { seq: 40 });
    store.dispatch({ type: 'previous-hit' });
    assert.deepEqual(socket().sent.at(-2).seek, { seq: 3 });
  });

  test('a link to an event shows it and stops there', () => {
    open({ ...WISH, startSeq: 40, paused: true });
    assert.equal(socket().asked('start_seq'), '40');
    socket().says(hello(40, { state: { status: 'paused' } }));
    assert.deepEqual(last().step, { by: 1, unit: 'event' });
  });
});

describe('a link to an event by its id', () => {
  const WANTED = { seek: { event_id: 'm-7' }, step: { by: 1, unit: 'event' } };

  test('is asked for once the server has greeted, and nothing is drawn until it is there', () => {
    open({ ...WISH, startEvent: 'm-7', paused: true });
    socket().says(hello(0, { state: { status: 'paused' } }));
    const { request_id, seek, step } = last();
    assert.deepEqual({ seek, step }, WANTED);
    assert.equal(store.getState().returning, true);
    socket().says(event(7, { gen: 1 }), state(8, { gen: 1, status: 'paused', request_id }));
    assert.deepEqual([store.getState().returning, store.getState().cursor], [false, 8]);
  });

  test('says so where there is no such event', () => {
    open({ ...WISH, startEvent: 'gone', paused: true });
    socket().says(hello(0, { state: { status: 'paused' } }));
    socket().says({ type: 'error', code: 'bad_command', message: 'there is no message', request_id: last().request_id });
    assert.equal(store.getState().returning, false);
    assert.deepEqual(store.getState().notices.map(({ level, message }) => [level, message]), [['warning', 'The message that this link leads to is not in this session.']]);
  });

  test('leads there from another place of the session, and from another numbering', () => {
    socket().says(hello(0));
    store.dispatch({ type: 'show-event', id: 'm-7' });
    assert.deepEqual({ seek: last().seek, step: last().step }, WANTED);
    store.dispatch({ type: 'meta', on: true });
    store.dispatch({ type: 'show-event', id: 'm-7' });
    assert.equal(socket().sent.length, 0);
    socket().says(hello(2, { state: { status: 'paused' } }));
    assert.deepEqual({ seek: last().seek, step: last().step }, WANTED);
    assert.equal(store.getState().returning, true);
  });
});

describe('what is left at the pace of a reader', () => {
  const READING = { every: 1, ms: [4_000, 2_000, 6_000, 1_000] };

  beforeEach(async () => {
    api.timeline = async () => ({ ...TIMELINE, count: 4, reading: READING });
    open({ ...WISH, mode: 'reading', idle: null });
    await settled();
  });

  test('is not known without the reading times', async () => {
    api.timeline = async () => TIMELINE;
    open({ ...WISH, mode: 'reading' });
    await settled();
    socket().says(hello(0, { state: { mode: 'reading' } }), event(0));
    assert.equal(store.timeLeft(), null);
  });

  test('gets less while one reads, stands while one does not, and goes by the speed', () => {
    socket().says(hello(0, { state: { mode: 'reading' } }), event(0));
    assert.equal(store.timeLeft(), 12_000);
    clock.pass(1_500);
    assert.equal(store.timeLeft(), 10_500);
    socket().says(state(1, { mode: 'reading', status: 'paused' }));
    clock.pass(5_000);
    assert.equal(store.timeLeft(), 10_500);
    socket().says(state(1, { mode: 'reading', speed: 2 }));
    assert.equal(store.timeLeft(), 5_250);
    socket().says(event(1));
    assert.equal(store.timeLeft(), 4_000);
  });

  test('is that of where a seek has led', () => {
    socket().says(hello(0, { state: { mode: 'reading' } }), event(0));
    store.dispatch({ type: 'seek', tMs: 2_000 });
    socket().says(state(2, { mode: 'reading', gen: 1, request_id: last().request_id }));
    assert.equal(store.timeLeft(), 6_000);
  });
});

describe('meta events', () => {
  test('come with another connection, from what has happened on', async () => {
    socket().says(hello(0), event(0), event(1), event(2));
    socket().says(state(3, { status: 'paused', t_ms: 2_000 }));
    store.dispatch({ type: 'meta', on: true });
    assert.deepEqual([socket().asked('meta'), socket().asked('start_ms'), socket().asked('start_seq'), socket().asked('paused')], ['true', '2001', null, 'true']);
    assert.equal(store.getState().returning, true);
    assert.equal(store.getState().timeline, null);
    await settled();
    socket().says(hello(5, { state: { status: 'paused' } }));
    const { returning, cursor, timeline, meta } = store.getState();
    assert.deepEqual([returning, cursor, timeline?.count, meta], [false, 5, 100, true]);
    assert.equal(store.log.size, 0);
    store.dispatch({ type: 'load', from: 0, to: 5 });
    assert.deepEqual(asked.at(-1), { start_seq: 0, limit: 5, meta: true });
    socket().dies(1006);
    clock.pass(1_000);
    assert.deepEqual([socket().asked('meta'), socket().asked('start_seq')], ['true', '5']);
  });

  test('are left out again for what is looked for', async () => {
    socket().says(hello(0), event(0));
    store.dispatch({ type: 'meta', on: true });
    socket().says(hello(2));
    store.dispatch({ type: 'find', q: 'tide' });
    assert.equal(socket().asked('meta'), null);
    socket().says(hello(1));
    await settled();
    assert.deepEqual([store.getState().meta, store.getState().found?.items.length, store.getState().cursor], [false, 2, 1]);
  });

  test('a page of history that was on its way when the archive was rewritten is not waited for', async () => {
    socket().says(hello(50));
    store.dispatch({ type: 'load', from: 40, to: 50 });
    assert.notEqual(store.getState().loading, null);
    socket().says({ type: 'notice', level: 'info', code: 'archive_rewritten', message: 'New.', epoch: 'e2' });
    await settled();
    assert.deepEqual([store.getState().loading, store.log.size], [null, 0]);
    store.dispatch({ type: 'load', from: 40, to: 50 });
    await settled();
    assert.deepEqual([store.getState().loading, store.log.size], [null, 10]);
  });

  test('a page of history that was asked for under the old numbers is of no use', async () => {
    socket().says(hello(50));
    store.dispatch({ type: 'load', from: 40, to: 50 });
    store.dispatch({ type: 'meta', on: true });
    socket().says(hello(60));
    await settled();
    assert.equal(store.log.size, 0);
    assert.equal(store.getState().loading, null);
  });
});
