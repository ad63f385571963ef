import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Pairs } from '../../static/pairs.js';
import { breakMarks, TimeScale } from '../../static/timescale.js';

/** @type {[number, number]} */
const LUNCH = [100_000, 1_600_000];

test('time is drawn to scale where most of it is not silence', () => {
  const scale = new TimeScale(100_000, Pairs.of([[0, 50_000]]));
  assert.deepEqual(scale.breaks, []);
  assert.equal(scale.fractionOf(25_000), 0.25);
  assert.ok(Math.abs(scale.timeAt(0.5) - 50_000) < 1e-6);
});

test('a long silence that would take most of the bar becomes a break of a fixed width', () => {
  const scale = new TimeScale(1_800_000, Pairs.of([LUNCH]));
  const [lunch] = scale.breaks;
  assert.ok(lunch && lunch.to - lunch.from < 0.05);
  assert.ok(scale.fractionOf(100_000) > 0.3);
});

test('there and back is the same time, monotone, from end to end', () => {
  const gaps = Pairs.of([[50_000, 90_000], LUNCH, [1_700_000, 1_760_000]]);
  const scale = new TimeScale(1_800_000, gaps);
  let before = -1;
  for (let t = 0; t <= 1_800_000; t += 5_000) {
    const fraction = scale.fractionOf(t);
    assert.ok(fraction >= before && fraction <= 1);
    assert.ok(Math.abs(scale.timeAt(fraction) - t) < 1, `at ${t}`);
    before = fraction;
  }
  assert.equal(scale.fractionOf(0), 0);
  assert.ok(Math.abs(scale.fractionOf(1_800_000) - 1) < 1e-9);
});

test('a hundred breaks still leave room for what happened', () => {
  const gaps = Pairs.of(Array.from({ length: 100 }, (_, index) => [index * 100_000 + 10_000, (index + 1) * 100_000]));
  const scale = new TimeScale(10_000_000, gaps);
  const silent = scale.breaks.reduce((sum, each) => sum + each.to - each.from, 0);
  assert.ok(silent <= 0.4 + 1e-9);
});

test('only gaps that can be seen are given to be drawn, with where they lie', () => {
  const scale = new TimeScale(100_000, Pairs.of([[0, 50], [1_000, 21_000], [40_000, 40_900], [50_000, 80_000]]));
  assert.deepEqual(scale.widerThan(0.01).map(({ start, from, to, broken }) => [start, from, Number(to.toFixed(6)), broken]), [[1_000, 0.01, 0.21, false], [50_000, 0.5, 0.8, false]]);
});

test('a break is wide enough however short it is beside the whole', () => {
  const scale = new TimeScale(100_000_000, Pairs.of([[10_000, 20_000], [100_000, 99_000_000], [99_500_000, 99_531_000]]));
  assert.deepEqual(scale.widerThan(0.02).map(({ start, broken }) => [start, broken]), [[100_000, true], [99_500_000, true]]);
});

test('breaks are marked where the marks can be told apart', () => {
  /** @param {number} from @param {number} to */
  const gap = (from, to, broken = true) => ({ start: 0, end: 0, from, to, broken });

  assert.deepEqual(breakMarks([gap(0.1, 0.3), gap(0.4, 0.5, false)], 0.02), [0.1, 0.3], 'both ends, and none of what is to scale');
  assert.deepEqual(breakMarks([gap(0.25, 0.5)], 0.5), [0.375], 'a narrow one in its middle');
  assert.deepEqual(breakMarks([gap(0.1, 0.3), gap(0.31, 0.5)], 0.02), [0.1, 0.3, 0.5], 'none that touches the one before');
  const crowd = breakMarks(Array.from({ length: 100 }, (_, index) => gap(index / 100, index / 100 + 0.004)), 0.02);
  assert.ok(crowd.length > 20 && crowd.every((place, index) => index === 0 || place - (crowd[index - 1] ?? 0) >= 0.02));
});

test('a session without length is all at the start', () => {
  const scale = new TimeScale(0, Pairs.of([]));
  assert.equal(scale.fractionOf(0), 0);
  assert.equal(scale.timeAt(1), 0);
});
