import './page.mjs';
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { frameWish } from '../../static/embed/frame-wish.js';
import { CONNECT, Remote, commandOf, factsOf } from '../../static/embed/remote.js';
import { frameAddress } from '../../static/scrollcast-player.js';

const HOME = 'http://127.0.0.1:8420/x/';
const PAGE = 'https://blog.example/posts/1';

/** @param {Record<string, string>} attributes */
const address = (attributes) => frameAddress((name) => attributes[name] ?? null, HOME, PAGE);

test('a frame begins as its address says', () => {
  const { moment, theme, autoplay } = frameWish('?t=1:30&speed=4&idle=2&autoplay=1&theme=dark', '');
  assert.deepEqual([moment.tMs, moment.speed, moment.pace, moment.seq, theme, autoplay], [90_000, 4, 2, null, 'dark', true]);
  assert.equal(frameWish('?t=5', '#t=90&speed=8').moment.tMs, 5000);
  assert.equal(frameWish('', '#t=90&speed=8').moment.speed, 8);
});

test('one that waits shows what it begins with', () => {
  assert.equal(frameWish('', '').moment.seq, 0);
  assert.equal(frameWish('?t=5', '').moment.seq, null);
  assert.equal(frameWish('?autoplay', '').moment.seq, null);
  assert.equal(frameWish('?theme=x', '').theme, 'auto');
  assert.equal(frameWish('?autoplay=0', '').autoplay, false);
});

test('an element frames the session that it names', () => {
  assert.equal(address({ session: 'a b' }), 'http://127.0.0.1:8420/x/embed/a%20b');
  assert.equal(address({ session: 's', server: 'https://replay.example/y', t: '90', speed: '4', autoplay: '' }), 'https://replay.example/y/embed/s?t=90&speed=4&autoplay=1');
  assert.equal(address({ src: 'https://replay.example/sessions/s#t=90&speed=2', speed: '8', autoplay: 'false' }), 'https://replay.example/embed/s?t=90&speed=8');
  assert.equal(address({ src: '/embed/s', theme: 'dark' }), 'https://blog.example/embed/s?theme=dark');
});

test('an element frames nothing that is no page', () => {
  assert.equal(address({}), null);
  assert.equal(address({ src: 'javascript:alert(1)' }), null);
  assert.equal(address({ src: 'data:text/html,x' }), null);
  assert.equal(address({ session: 's', server: 'http://[' }), null);
});

test('commands of another page are looked at', () => {
  assert.deepEqual(commandOf({ command: 'seek', value: 1.5 }), { type: 'seek', tMs: 1500 });
  assert.deepEqual(commandOf({ command: 'speed', value: 'max' }), { type: 'speed', speed: 'max' });
  assert.deepEqual(commandOf({ command: 'pace', value: 'reading' }), { type: 'pace', pace: 'reading' });
  assert.deepEqual(commandOf({ command: 'next-turn' }), { type: 'next', kind: 'turn' });
  for (const bad of [null, 'play', {}, { command: 'find', value: 'x' }, { command: 'seek', value: '1' }, { command: 'seek', value: NaN }, { command: 'speed', value: 0 }, { command: 'pace', value: -1 }, { command: '__proto__' }]) {
    assert.equal(commandOf(bad), null);
  }
});

test('one port is taken, and only from the framing window', () => {
  /** @type {any[]} */
  const told = [];
  const state = { phase: 'ready', failure: null, status: 'paused', mode: 'realtime', paced: 'realtime', speed: 2, idle: null, durationMs: 9000, session: { title: 'T' }, live: false };
  /** @type {any[]} */
  const dispatched = [];
  const store = /** @type {any} */ ({ getState: () => state, subscribe: () => () => {}, atEnd: () => false, position: () => 1234.4, dispatch: (/** @type {any} */ each) => dispatched.push(each) });
  const framing = /** @type {any} */ ({});
  const port = () => /** @type {any} */ ({ postMessage: (/** @type {any} */ facts) => told.push(facts), onmessage: null });
  const realSetInterval = globalThis.setInterval;
  globalThis.setInterval = /** @type {any} */ (() => 0);
  const remote = new Remote(store);
  const [first, second] = [port(), port()];
  const event = (/** @type {object} */ more) => /** @type {any} */ ({ source: framing, data: CONNECT, ports: [first], ...more });

  remote.meet(event({ source: {} }), framing);
  remote.meet(event({ data: 'other' }), framing);
  remote.meet(event({ ports: [] }), framing);
  assert.deepEqual(told, []);
  remote.meet(event({}), framing);
  remote.meet(event({ ports: [second] }), framing);
  globalThis.setInterval = realSetInterval;

  assert.deepEqual(told, [{ state: 'paused', time: 1.234, duration: 9, speed: 2, pace: null, live: false, title: 'T', error: null }]);
  assert.equal(second.onmessage, null);
  first.onmessage({ data: { command: 'play' } });
  assert.deepEqual(dispatched, [{ type: 'play' }]);
});

test('what is told is what a page can use', () => {
  const state = /** @type {any} */ ({ phase: 'failed', failure: { message: 'gone' }, status: null, mode: 'fast', paced: 'realtime', speed: 1, idle: 2, durationMs: 0, session: null, live: false });
  assert.deepEqual([factsOf(state, false, 0).state, factsOf(state, false, 0).error, factsOf(state, false, 0).speed], ['failed', 'gone', 'max']);
  assert.equal(factsOf({ ...state, phase: 'ready', status: 'live' }, true, 0).state, 'ended');
});
