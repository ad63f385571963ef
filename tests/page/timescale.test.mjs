import assert from 'node:assert/strict';
import { test } from 'node:test';

import { TimeScale } from '../../static/timescale.js';

const LUNCH = { start_ms: 100_000, end_ms: 1_600_000 };

test('time is drawn to scale where most of it is not silence', () => {
  const scale = new TimeScale(100_000, [{ start_ms: 0, end_ms: 50_000 }]);
  assert.deepEqual(scale.breaks, []);
  assert.equal(scale.fractionOf(25_000), 0.25);
  assert.ok(Math.abs(scale.timeAt(0.5) - 50_000) < 1e-6);
});

test('a long silence that would take most of the bar becomes a break of a fixed width', () => {
  const scale = new TimeScale(1_800_000, [LUNCH]);
  const [lunch] = scale.breaks;
  assert.ok(lunch && lunch.to - lunch.from < 0.05);
  assert.ok(scale.fractionOf(100_000) > 0.3);
});

test('there and back is the same time, monotone, from end to end', () => {
  const gaps = [{ start_ms: 50_000, end_ms: 90_000 }, LUNCH, { start_ms: 1_700_000, end_ms: 1_760_000 }];
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
  const gaps = Array.from({ length: 100 }, (_, index) => ({ start_ms: index * 100_000 + 10_000, end_ms: (index + 1) * 100_000 }));
  const scale = new TimeScale(10_000_000, gaps);
  const silent = scale.breaks.reduce((sum, each) => sum + each.to - each.from, 0);
  assert.ok(silent <= 0.4 + 1e-9);
});

test('a session without length is all at the start', () => {
  const scale = new TimeScale(0, []);
  assert.equal(scale.fractionOf(0), 0);
  assert.equal(scale.timeAt(1), 0);
});
