import assert from 'node:assert/strict';
import { test } from 'node:test';

import { timelineOf } from '../../static/live-timeline.js';
import { Pairs } from '../../static/pairs.js';
import { countTurns, plain, toldSpent, turnAt, turnBefore, turnOf } from '../../static/turns.js';

const ANSWER = /** @type {import('../../static/protocol.js').TimelineAnswer} */ ({
  epoch: 'e', count: 9, duration_ms: 9_000, gaps: [], density: { bucket_ms: 0, counts: [] },
  markers: [
    { seq: 0, t_ms: 0, kind: 'turn', label: '# Make **it** `so`' },
    { seq: 1, t_ms: 500, kind: 'tool', label: 'Bash' },
    { seq: 4, t_ms: 4_000, kind: 'turn', label: 'Again' },
  ],
});
const TIMELINE = timelineOf(ANSWER);

test('turns are numbered from 1, with labels as they are read', () => {
  assert.deepEqual([0, 1].map((index) => turnOf(TIMELINE, index)), [{ number: 1, seq: 0, t_ms: 0, label: 'Make it so' }, { number: 2, seq: 4, t_ms: 4_000, label: 'Again' }]);
  assert.deepEqual([countTurns(TIMELINE), countTurns(null)], [2, 0]);
  for (const [timeline, index] of /** @type {[typeof TIMELINE | null, number][]} */ ([[TIMELINE, -1], [TIMELINE, 2], [null, 0]])) assert.equal(turnOf(timeline, index), null);
});

test('a turn is found by time and by event', () => {
  assert.equal(turnAt(TIMELINE, 3_999)?.number, 1);
  assert.equal(turnAt(TIMELINE, 4_000)?.number, 2);
  assert.equal(turnBefore(TIMELINE, 4)?.number, 1);
  assert.equal(turnBefore(TIMELINE, 0), null);
});

test('where only some turns are listed, all of them are numbered, and some have no label yet', () => {
  const all = timelineOf({ ...ANSWER, left_out: ['turn'] }, { turns: Pairs.of([[0, 0], [2, 700], [4, 4_000], [9, 9_000]]) });
  assert.deepEqual([countTurns(all), turnBefore(all, 5)?.number, turnBefore(all, 5)?.label, turnBefore(all, 4)?.label], [3, 3, 'Again', null]);
});

test('a label keeps no colours of a terminal', () => {
  assert.equal(plain('\u001b[31mFAILED\u001b[0m 1'), 'FAILED 1');
});

test('what a turn took is known of as many events as the server looked at', () => {
  const spent = { tokens: { read: 5, written: 1 }, cost: null, whole: true };
  const took = (/** @type {[number, number][]} */ ...told) => {
    const timeline = timelineOf(ANSWER);
    for (const [seq, stop_seq] of told) timeline.spent.set(seq, { ...spent, stop_seq });
    return [0, 1].map((index) => toldSpent(timeline, index)?.whole ?? null);
  };
  assert.deepEqual(took(), [null, null]);
  assert.deepEqual(took([0, 4], [4, 9]), [true, true]);
  assert.deepEqual(took([0, 3], [4, 7]), [null, false]); // one that has ended is asked for again, one that goes on is not
});
