import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { Poller } from '../../static/poller.js';
import { FakeClock } from './clock.mjs';

/** @type {FakeClock} */ let clock;
/** @type {Poller} */ let poller;
/** @type {() => void} */ let lookAgain;
let looked = true;
let listening = false;
/** @type {number[]} */ let times;
/** @type {Promise<void> | null} */ let slow;

const settled = () => new Promise((resolve) => setImmediate(resolve));

beforeEach(() => {
  clock = new FakeClock();
  looked = true;
  times = [];
  slow = null;
  poller = new Poller(async () => {
    times.push(clock.now());
    await slow;
    return 2_000;
  }, clock, {
    given: () => looked,
    onReturn: (action) => {
      lookAgain = action;
      listening = true;
      return () => void (listening = false);
    },
  });
});

/** @param {number} ms */
async function pass(ms) {
  clock.pass(ms);
  await settled();
}

test('it waits as long as the last time said', async () => {
  poller.start(5_000);
  await pass(4_999);
  assert.deepEqual(times, []);
  for (const ms of [1, 2_000, 2_000]) await pass(ms);
  assert.deepEqual(times, [5_000, 7_000, 9_000]);
});

test('nothing is done while nobody looks, and at once when somebody does again', async () => {
  poller.start(1_000);
  looked = false;
  await pass(60_000);
  assert.deepEqual(times, []);
  looked = true;
  lookAgain();
  await settled();
  await pass(2_000);
  assert.deepEqual(times, [60_000, 62_000]);
});

test('it is never done twice at once', async () => {
  /** @type {() => void} */ let finish = () => {};
  slow = new Promise((resolve) => (finish = resolve));
  poller.start(0);
  await pass(0);
  lookAgain();
  await pass(10_000);
  assert.deepEqual(times, [0]);
  finish();
  await settled();
  await pass(2_000);
  assert.deepEqual(times, [0, 12_000]);
});

test('it can be stopped, on its way too', async () => {
  poller.start(0);
  await pass(0);
  poller.stop();
  await pass(10_000);
  assert.deepEqual(times, [0]);
  assert.equal(listening, false);
});
