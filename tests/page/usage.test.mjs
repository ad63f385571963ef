import assert from 'node:assert/strict';
import { test } from 'node:test';

import { spentBetween, spentShort, spentWords } from '../../static/usage.js';

/** @param {(object | null)[]} metadata  of each event, in order */
function spent(...metadata) {
  const events = metadata.map((each) => /** @type {any} */ ({ event: { type: 'message_completed', message: { metadata: each } } }));
  return spentBetween((seq) => events[seq] ?? null, 0, events.length);
}

test('every agent counts in words of its own', () => {
  const cases = /** @type {[object, number, number][]} */ ([
    [{ input_tokens: 5, cache_read_input_tokens: 100, cache_creation_input_tokens: 20, output_tokens: 7 }, 125, 7],
    [{ input_tokens: 50, cached_input_tokens: 40, output_tokens: 9, reasoning_output_tokens: 4, total_tokens: 59 }, 50, 9],
    [{ input: 30, output: 4, reasoning: 2, cache: { read: 10, write: 1 } }, 41, 6],
    [{ input: 30, output: 4, cached: 10, thoughts: 3, tool: 0, total: 37 }, 30, 7],
    [{ prompt_tokens: 8, completion_tokens: 2 }, 8, 2],
  ]);
  for (const [usage, read, written] of cases) assert.deepEqual(spent({ usage }).tokens, { read, written });
});

test('a turn is the sum of its messages', () => {
  const { tokens, cost } = spent({ usage: { input: 1, output: 2 }, cost: 0.5 }, null, {}, { usage: { input: 10, output: 20 }, cost: 0.25 });
  assert.deepEqual([tokens, cost], [{ read: 11, written: 22 }, 0.75]);
});

test('what is no number is not counted', () => {
  assert.deepEqual(spent({ usage: { input: '5', output: NaN }, cost: -1 }, { usage: 'x' }, { usage: [1] }).tokens, null);
});

test('it says what is known, and that the rest is not', () => {
  assert.equal(spentWords(spent({})), 'tokens and cost unknown');
  assert.equal(spentWords(spent({ usage: { input: 12_345, output: 840 } })), '12k tokens read, 840 written · cost unknown');
  assert.equal(spentWords(spent({ cost: 0.00110000001 })), 'tokens unknown · $0.0011');
  assert.equal(spentWords(spent({ usage: { input: 1, output: 1 }, cost: 12.345 })), '1 tokens read, 1 written · $12.35');
  assert.equal(spentWords(spentBetween(() => null, 0, 3)), 'tokens and cost unknown');
  const partly = spentBetween((seq) => (seq === 1 ? /** @type {any} */ ({ event: { type: 'message_completed', message: { metadata: { usage: { input: 5, output: 6 } } } } }) : null), 0, 2);
  assert.equal(spentWords(partly), 'at least 5 tokens read, 6 written · cost unknown');
});

test('beside a turn it is told in few words: the cost, else the tokens', () => {
  assert.equal(spentShort(spent({ usage: { input: 12_345, output: 840 }, cost: 0.021 })), '$0.021');
  assert.equal(spentShort(spent({ usage: { input: 12_345, output: 840 } })), '13k tok');
  assert.equal(spentShort(spent({})), 'unknown');
  assert.equal(spentShort({ ...spent({ cost: 0.5 }), whole: false }), '≥ $0.5');
  assert.equal(spentShort({ ...spent({}), whole: false }), 'unknown');
});
