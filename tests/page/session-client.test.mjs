import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';

import { SessionClient } from '../../static/session-client.js';
import { FakeClock } from './clock.mjs';
import { FakeSocket, event, hello, state } from './wire.mjs';

const WISH = { startMs: 5_000, mode: /** @type {const} */ ('realtime'), speed: 2, idle: 5, paused: false };

/** @type {FakeClock} */ let clock;
/** @type {FakeSocket[]} */ let sockets;
/** @type {SessionClient} */ let client;
/** What reached the store: event numbers, and `<7` for "go on from 7". @type {(number | string)[]} */ let log;
/** @type {any[]} */ let connections;
/** @type {any[]} */ let messages;
/** Another client, which begins at an event. @type {(startSeq: number) => SessionClient} */ let linked;

beforeEach(() => {
  clock = new FakeClock();
  sockets = [];
  log = [];
  connections = [];
  messages = [];
  const ports = {
    clock,
    random: () => 1,
    open: (/** @type {string} */ path, /** @type {string} */ protocol) => {
      const socket = new FakeSocket(path, protocol);
      sockets.push(socket);
      return socket;
    },
  };
  const delegate = {
    onConnection: (/** @type {any} */ connection) => connections.push(connection),
    onHello: (/** @type {any} */ _hello, /** @type {boolean} */ fresh) => fresh && log.push('fresh'),
    onEvents: (/** @type {any[]} */ envelopes) => log.push(...envelopes.map((each) => each.seq)),
    onRewind: (/** @type {number} */ seq) => log.push(`<${seq}`),
    onMessage: (/** @type {any} */ message) => messages.push(message),
  };
  linked = (startSeq) => {
    const other = new SessionClient('s', { ...WISH, startSeq }, ports, delegate);
    other.connect();
    return other;
  };
  client = new SessionClient('s', WISH, ports, delegate);
  client.connect();
});

const socket = () => /** @type {FakeSocket} */ (sockets.at(-1));
const range = (/** @type {number} */ from, /** @type {number} */ to) => Array.from({ length: to - from }, (_, index) => from + index);

describe('connecting', () => {
  test('asks for what was wished', () => {
    assert.equal(socket().url.pathname, '/ws/sessions/s');
    assert.equal(socket().protocol, 'scrollcast.v1');
    const expected = { mode: 'realtime', speed: '2', idle: '5', start_ms: '5000', paused: 'false', hold: 'true', follow: 'true', start_seq: null, epoch: null };
    for (const [name, value] of Object.entries(expected)) assert.equal(socket().asked(name), value, name);
  });

  test('a wished event is asked for by its number', () => {
    const client = linked(412);
    assert.deepEqual([socket().asked('start_seq'), socket().asked('start_ms'), socket().asked('epoch')], ['412', null, null]);
    socket().says(hello(412));
    client.stop();
  });

  test('a link to an event that is no longer there leads to the session', () => {
    linked(412);
    socket().says({ type: 'error', code: 'position_out_of_range', message: 'Beyond the end.', retryable: false });
    socket().dies(4501);
    assert.deepEqual([socket().asked('start_seq'), socket().asked('start_ms')], [null, '5000']);
    socket().says(hello(5));
    assert.deepEqual(connections.at(-1), { status: 'open' });
  });

  test('is open after the hello, not before', () => {
    assert.deepEqual(connections, [{ status: 'connecting' }]);
    socket().says(hello(5));
    assert.deepEqual(connections.at(-1), { status: 'open' });
    assert.deepEqual(log, ['<5']);
  });

  test('a handshake that hangs is given up', () => {
    clock.pass(10_000);
    assert.equal(connections.at(-1).status, 'waiting');
    assert.ok(socket().closed);
  });
});

describe('events', () => {
  beforeEach(() => socket().says(hello(0)));

  test('come through in order', () => {
    socket().says(event(0), event(1), event(2));
    assert.deepEqual(log, ['<0', 0, 1, 2]);
  });

  test('a batch comes through as one', () => {
    socket().says({ type: 'events', gen: 0, routing: {}, origin: { type: 'replay' }, events: [event(0), event(1)] });
    assert.deepEqual(log, ['<0', 0, 1]);
  });

  test('a repeat ends here', () => {
    socket().says(event(0), event(1), event(0), event(1), event(2));
    assert.deepEqual(log, ['<0', 0, 1, 2]);
  });

  test('a hole ends the connection, which is taken up where the hole was', () => {
    socket().says(event(0), event(2));
    assert.equal(connections.at(-1).status, 'waiting');
    clock.pass(500);
    assert.equal(socket().asked('start_seq'), '1');
    socket().says(hello(1, { resume: 'continued' }), event(1), event(2));
    assert.deepEqual(log, ['<0', 0, 1, 2]);
  });

  test('events of an older generation are ignored', () => {
    socket().says(event(0), state(40, { gen: 1, did_seek: true }), event(1), event(40, { gen: 1 }));
    assert.deepEqual(log, ['<0', 0, '<40', 40]);
  });

  test('events of a newer generation may come before the state that explains them', () => {
    socket().says(event(0), event(40, { gen: 1 }), state(41, { gen: 1, did_seek: true }), event(41, { gen: 1 }));
    assert.deepEqual(log, ['<0', 0, '<40', 40, 41]);
  });

  test('what is no message ends the connection, not the page', () => {
    socket().onmessage?.({ data: 'nonsense' });
    assert.equal(connections.at(-1).status, 'waiting');
  });
});

describe('coming back', () => {
  beforeEach(() => socket().says(hello(0), event(0), event(1)));

  for (const code of [1001, 1006, 1012, 1005, 1011, 4000, 4008, 4013, 4499]) {
    test(`after close code ${code}, at the next event`, () => {
      socket().dies(code);
      clock.pass(500);
      assert.equal(sockets.length, 2);
      assert.equal(socket().asked('start_seq'), '2');
      assert.equal(socket().asked('epoch'), 'e1');
      assert.equal(socket().asked('start_ms'), null);
      socket().says(hello(2, { resume: 'continued' }), event(2));
      assert.deepEqual(log, ['<0', 0, 1, 2]);
    });
  }

  for (const code of [1008, 1009, 4500, 4501, 4504, 4505, 4999]) {
    test(`not after close code ${code}: the server's words are the end of it`, () => {
      socket().says({ type: 'error', code: 'archive_error', message: 'It is broken.', retryable: false });
      socket().dies(code);
      clock.pass(100_000);
      assert.equal(sockets.length, 1);
      assert.equal(connections.at(-1).status, 'closed');
      assert.equal(connections.at(-1).error.message, 'It is broken.');
    });
  }

  test('not after 1000: that was the end', () => {
    socket().dies(1000);
    assert.deepEqual(connections.at(-1), { status: 'closed', error: null });
  });

  test('with what was chosen meanwhile', () => {
    socket().says(state(2, { speed: 8, idle: null, status: 'paused' }));
    socket().dies(1006);
    clock.pass(500);
    assert.equal(socket().asked('speed'), '8');
    assert.equal(socket().asked('idle'), 'off');
    assert.equal(socket().asked('paused'), 'true');
  });

  test('waits longer each time, with jitter and a cap', () => {
    const waits = [];
    for (let attempt = 0; attempt < 7; attempt++) {
      socket().dies(1006);
      waits.push(connections.at(-1).retryAt - clock.time);
      clock.pass(waits.at(-1) ?? 0);
    }
    assert.deepEqual(waits, [500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
  });

  test('starts small again after a connection that held', () => {
    socket().dies(1006);
    clock.pass(500);
    socket().dies(1006);
    clock.pass(1_000);
    socket().says(hello(2, { resume: 'continued' }));
    clock.pass(1_000);
    socket().dies(1006);
    assert.equal(connections.at(-1).retryAt - clock.time, 500);
  });

  test('as late as the server asks for', () => {
    socket().says({ type: 'error', code: 'too_many', message: '', retryable: true, retry_after_ms: 7_000 });
    socket().dies(4013);
    assert.equal(connections.at(-1).retryAt - clock.time, 7_000);
  });

  test('at once when told to', () => {
    socket().dies(1006);
    client.connect();
    assert.equal(sockets.length, 2);
    clock.pass(100);
    assert.equal(sockets.length, 2);
  });

  test('to another archive: nothing that was received holds', () => {
    socket().dies(1006);
    clock.pass(500);
    socket().says(hello(0, { resume: 'reset', epoch: 'e2' }), event(0));
    assert.deepEqual(log, ['<0', 0, 1, 'fresh', '<0', 0]);
  });

  test('never, once stopped', () => {
    socket().dies(1006);
    client.stop();
    clock.pass(60_000);
    assert.equal(sockets.length, 1);
  });

  test('after silence of two heartbeats, whatever the socket says', () => {
    clock.pass(29_999);
    assert.equal(connections.at(-1).status, 'open');
    socket().says({ type: 'heartbeat', seq: 2, t_ms: 2_000, status: 'playing', server_time: '' });
    clock.pass(29_999);
    assert.equal(connections.at(-1).status, 'open');
    clock.pass(1);
    assert.equal(connections.at(-1).status, 'waiting');
  });

  test('anything at any point: no repeat, no hole', () => {
    const random = generator(7);
    let next = 2; // of the server, on this connection
    for (let round = 0; round < 400; round++) {
      const dice = random();
      if (dice < 0.25) {
        socket().dies(1006);
        clock.pass(10_000);
        next = Number(socket().asked('start_seq'));
        socket().says(hello(next, { resume: 'continued' }));
      } else if (dice < 0.3) {
        socket().says(event(Math.max(0, next - 1)));
      } else {
        socket().says(event(next));
        next += 1;
      }
    }
    assert.deepEqual(log.slice(1), range(0, log.length - 1));
  });
});

describe('commands', () => {
  beforeEach(() => socket().says(hello(0)));

  test('carry a request id', () => {
    assert.equal(client.send({ play: false }), 'r1');
    assert.deepEqual(socket().sent, [{ type: 'control', request_id: 'r1', play: false }]);
  });

  test('given while away are sent on return, the last of each field; a step is not', () => {
    socket().dies(1006);
    assert.equal(client.send({ speed: 4 }), null);
    client.send({ speed: 8, play: false });
    client.send({ step: { by: 1, unit: 'event' } });
    clock.pass(500);
    socket().says(hello(0, { resume: 'continued' }));
    assert.deepEqual(socket().sent, [{ type: 'control', request_id: 'r1', speed: 8, play: false }]);
  });

  test('what was received is acknowledged, once', () => {
    socket().says(event(0), event(1));
    client.acknowledge();
    client.acknowledge();
    assert.deepEqual(socket().sent, [{ type: 'ack', seq: 1 }]);
  });

  test('nothing is acknowledged while a seek is on its way: the number would mean something else', () => {
    socket().says(event(0), event(1));
    const request_id = client.send({ seek: { t_ms: 0 } });
    client.acknowledge();
    socket().says(state(0, { gen: 1, did_seek: true, request_id }), event(0, { gen: 1 }));
    client.acknowledge();
    assert.deepEqual(socket().sent.slice(1), [{ type: 'ack', seq: 0 }]);
  });

  test('a seek that was refused does not hold acknowledgements back for ever', () => {
    socket().says(event(0));
    const request_id = client.send({ seek: { event_id: 'nowhere' } });
    socket().says({ type: 'error', code: 'bad_command', message: '', retryable: false, request_id });
    client.acknowledge();
    assert.deepEqual(socket().sent.at(-1), { type: 'ack', seq: 0 });
  });
});

/** Numbers that look random and are the same in every run. @param {number} seed */
function generator(seed) {
  let value = seed;
  return () => {
    value = (value * 1_103_515_245 + 12_345) % 2_147_483_648;
    return value / 2_147_483_648;
  };
}
