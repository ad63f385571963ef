import assert from 'node:assert/strict';
import { test } from 'node:test';

import { grown, markersOf, timelineOf } from '../../static/live-timeline.js';
import { Pairs } from '../../static/pairs.js';
import { event } from './wire.mjs';

const ANSWER = { epoch: 'e', count: 2, duration_ms: 1_000, markers: [], gaps: [], density: { bucket_ms: 0, counts: [] } };
const TIMELINE = timelineOf(ANSWER);

/** @param {number} seq @param {any[]} content @param {object} [message] @param {object} [more] */
function said(seq, content, message = {}, more = {}) {
  const envelope = /** @type {any} */ (event(seq, more));
  Object.assign(envelope.event.message, { content, ...message });
  return envelope;
}

const USER = { role: 'user' };
const text = (/** @type {string} */ words) => ({ type: 'text', text: words });
const call = (/** @type {string} */ name, title = '') => ({ type: 'tool_call', call_id: 'c', name, title, input: {} });
const result = (/** @type {string} */ words, isError = false) => ({ type: 'tool_result', call_id: 'c', output: [text(words)], is_error: isError });

for (const [name, envelope, expected] of /** @type {[string, any, string[][]][]} */ ([
  ['what a person says is a turn', said(2, [text('Go **on** with `it`')], USER), [['turn', 'Go on with it']]],
  ['a picture without words is a turn too', said(2, [{ type: 'image', mime_type: 'image/png' }], USER), [['turn', '(image)']]],
  ['an empty one as well', said(2, [], USER), [['turn', '(no text)']]],
  ['only results are none', said(2, [result('ok')], USER), []],
  ['nor is what the system says', said(2, [text('x')], { role: 'user', metadata: { archived_role: 'system' } }), []],
  ['nor what the agent says', said(2, [text('x')]), []],
  ['a call is a tool, by its title', said(2, [call('Bash', 'ls -la')]), [['tool', 'ls -la']]],
  ['several count', said(2, [call('Read'), call('Grep'), call('Grep')]), [['tool', 'Read (+2)']]],
  ['a failure is an error', said(2, [result('no such file', true)], USER), [['error', 'no such file']]],
  ['one without words, too', said(2, [result('', true)], USER), [['error', 'error']]],
  ['a plan says how far it is', said(2, [{ type: 'plan', entries: [{ content: 'a', status: 'completed' }, { content: 'b' }] }]), [['plan', '1 of 2 done']]],
])) {
  test(name, () => assert.deepEqual(markersOf(envelope).map(({ kind, label }) => [kind, label]), expected));
}

test('a timeline that holds it all stays the same one', () => {
  assert.equal(grown(TIMELINE, [said(0, []), said(1, [])]), TIMELINE);
});

test('events beyond its end make it longer, with the silence before them', () => {
  const after = grown(TIMELINE, [said(1, []), said(2, [text('Hi')], USER, { t_ms: 3_999 }), said(3, [], {}, { t_ms: 7_000 })]);
  const { gaps, turns, labels, spent, ...rest } = after;
  assert.deepEqual(rest, { epoch: 'e', count: 4, duration_ms: 7_000, markers: [{ seq: 2, t_ms: 3_999, kind: 'turn', label: 'Hi' }], leftOut: [], density: ANSWER.density });
  assert.deepEqual([[...gaps], [...turns], [...labels]], [[[3_999, 7_000]], [[2, 3_999]], [[2, 'Hi']]]);
  assert.deepEqual([TIMELINE.gaps.length, TIMELINE.turns.length], [0, 0]);
  assert.equal(spent, TIMELINE.spent);
});

test('nothing is said of a silence when an event in between is missing', () => {
  assert.equal(grown(TIMELINE, [said(9, [], {}, { t_ms: 90_000 })]).gaps.length, 0);
});

test('what a table knows beyond the end of the timeline comes with the events', () => {
  const { gaps, turns } = timelineOf(ANSWER, { gaps: Pairs.of([[0, 900], [1_000, 5_000]]), turns: Pairs.of([[1, 900], [2, 5_000]]) });
  assert.deepEqual([[...gaps], [...turns]], [[[0, 900]], [[1, 900]]]);
});
