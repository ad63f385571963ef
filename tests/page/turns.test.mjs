import assert from 'node:assert/strict';
import { test } from 'node:test';

import { plain, turnAt, turnBefore, turnsOf } from '../../static/turns.js';

const TIMELINE = /** @type {import('../../static/protocol.js').Timeline} */ ({
  epoch: 'e', count: 9, duration_ms: 9_000, gaps: [], density: { bucket_ms: 0, counts: [] },
  markers: [
    { seq: 0, t_ms: 0, kind: 'turn', label: '# Make **it** `so`' },
    { seq: 1, t_ms: 500, kind: 'tool', label: 'Bash' },
    { seq: 4, t_ms: 4_000, kind: 'turn', label: 'Again' },
  ],
});

test('turns are numbered from 1, with labels as they are read', () => {
  assert.deepEqual(turnsOf(TIMELINE).map(({ number, seq, label }) => [number, seq, label]), [[1, 0, 'Make it so'], [2, 4, 'Again']]);
  assert.deepEqual(turnsOf(null), []);
});

test('a turn is found by time and by event', () => {
  const turns = turnsOf(TIMELINE);
  assert.equal(turnAt(turns, 3_999)?.number, 1);
  assert.equal(turnAt(turns, 4_000)?.number, 2);
  assert.equal(turnBefore(turns, 4)?.number, 1);
  assert.equal(turnBefore(turns, 0), null);
});

test('a label keeps no colours of a terminal', () => {
  assert.equal(plain('\u001b[31mFAILED\u001b[0m 1'), 'FAILED 1');
});
