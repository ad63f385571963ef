import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { Pairs } from '../../static/pairs.js';
import { LONG_GAP_MS, Pace, Playhead } from '../../static/playhead.js';

const GAPS = Pairs.of([[10_000, 100_000], [102_000, 106_000]]);
const DURATION = 110_000;

/** @param {Partial<import('../../static/playhead.js').Fix>} fix @param {number | null} [idleMs] */
function playhead(fix, idleMs = 2_000) {
  return new Playhead(new Pace(GAPS, DURATION, idleMs), DURATION, { tMs: 0, now: 0, moving: true, mode: 'realtime', speed: 1, ...fix });
}

describe('Pace', () => {
  const pace = new Pace(GAPS, DURATION, 2_000);

  test('a capped gap is played for as long as the cap', () => {
    assert.equal(pace.offsetOf(10_000), 10_000);
    assert.equal(pace.offsetOf(100_000), 12_000);
    assert.equal(pace.length, 12_000 + 2_000 + 2_000 + 4_000);
  });

  test('a point inside a gap maps linearly into what is left of it', () => {
    assert.equal(pace.offsetOf(55_000), 11_000);
    assert.equal(pace.recordedAt(11_000), 55_000);
  });

  test('there and back is the same place, everywhere', () => {
    for (let t = 0; t <= DURATION; t += 500) assert.ok(Math.abs(pace.recordedAt(pace.offsetOf(t)) - t) < 1e-6, `at ${t}`);
  });

  test('time never runs backwards', () => {
    let before = -1;
    for (let t = 0; t <= DURATION; t += 250) {
      assert.ok(pace.offsetOf(t) >= before);
      before = pace.offsetOf(t);
    }
  });

  test('without a cap, recorded time is played as it was', () => {
    assert.equal(new Pace(GAPS, DURATION, null).length, DURATION);
  });

  test('a gap of an hour is not waited for, one of a millisecond less is', () => {
    const gap = (/** @type {number} */ length) => new Pace(Pairs.of([[0, length]]), length, null).length;
    assert.equal(gap(LONG_GAP_MS), 0);
    assert.equal(gap(LONG_GAP_MS - 1), LONG_GAP_MS - 1);
    assert.equal(new Pace(Pairs.of([[5, 5 + LONG_GAP_MS]]), LONG_GAP_MS + 10, null).recordedAt(5), 5 + LONG_GAP_MS);
  });
});

describe('Playhead', () => {
  test('moves with the clock, at its speed', () => {
    assert.equal(playhead({ tMs: 1_000, now: 50 }).at(1_050), 2_000);
    assert.equal(playhead({ tMs: 1_000, speed: 2 }).at(1_000), 3_000);
  });

  test('stands still when it was stopped, and in fast mode', () => {
    assert.equal(playhead({ tMs: 1_000, moving: false }).at(60_000), 1_000);
    assert.equal(playhead({ tMs: 1_000, mode: 'fast' }).at(60_000), 1_000);
  });

  test('crosses a gap in the time that the cap leaves it', () => {
    assert.equal(playhead({ tMs: 10_000 }).at(1_000), 55_000);
    assert.equal(playhead({ tMs: 10_000, speed: 4 }).at(500), 100_000);
  });

  test('a start inside a gap waits for the rest of it', () => {
    assert.equal(playhead({ tMs: 55_000 }).at(500), 77_500);
    assert.equal(playhead({ tMs: 55_000 }).waitLeft(0), 1_000);
  });

  test('does not run ahead of an event that is late', () => {
    assert.equal(playhead({ tMs: 10_000 }).at(60_000), 100_000);
    assert.equal(playhead({ tMs: 1_000 }).at(60_000), 4_000);
    assert.equal(playhead({ tMs: 109_000 }).at(60_000), DURATION);
  });

  test('a clock that jumps back moves nothing', () => {
    assert.equal(playhead({ tMs: 1_000, now: 100 }).at(0), 1_000);
  });

  test('says how long the rest takes, at this speed and under this cap', () => {
    assert.equal(playhead({}).timeLeft(0), 20_000);
    assert.equal(playhead({ speed: 2 }).timeLeft(0), 10_000);
    assert.equal(playhead({}, null).timeLeft(0), DURATION);
    assert.equal(playhead({ mode: 'fast' }).timeLeft(0), 0);
  });

  test('changing the cap inside a gap keeps the recorded position', () => {
    for (const idle of [null, 10_000, 1_000]) assert.equal(playhead({ tMs: 55_000 }, idle).at(0), 55_000);
  });
});
