import assert from 'node:assert/strict';
import { test } from 'node:test';

import { densityOf, densityPath } from '../../static/density.js';

test('every event is counted once, the last one too', () => {
  const { bucket_ms: bucketMs, counts } = densityOf([0, 0, 1_000, 150_000, 200_000]);
  assert.equal(bucketMs, 1_000);
  assert.deepEqual([counts[0], counts[1], counts[150], counts[199]], [2, 1, 1, 1]);
  assert.equal(counts.reduce((sum, each) => sum + each, 0), 5);
});

test('a session without a length has none', () => {
  for (const times of [[], [0], [5, 5].map(() => 0)]) assert.deepEqual(densityOf(times).counts, []);
  assert.equal(densityPath({ bucket_ms: 0, counts: [] }, (t) => t, 22, 10), '');
});

test('the most is as high as it gets, and nothing is no height at all', () => {
  const path = densityPath({ bucket_ms: 10, counts: [0, 9, 1] }, (t) => t, 22, 10);
  assert.equal(path, 'M0.0,22L0.0,22.0L10.0,22.0L10.0,12.0L20.0,12.0L20.0,19.0L30.0,19.0L30.0,22Z');
});
