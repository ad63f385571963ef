import { dangers } from './page.mjs';

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { SessionRow } from '../../static/views/session-row.js';

const PLAIN = {
  scroll_id: 'a', title: 'Tides', agent: 'Codex', model: 'm', project: 'p', kind: null, native_session_id: null, connector_uid: null, parent_scroll_id: null,
  created_at: '2026-11-01T10:00:00Z', updated_at: '2026-11-01T10:00:00Z', count: 2, duration_ms: 61_000, timing: /** @type {const} */ ('recorded'), live: false, error: null,
};
const hit = (/** @type {number} */ seq, text = 'tide', kind = 'text') => ({ seq, t_ms: seq * 1000, kind, snippet: [{ text: 'the ' }, { text, match: true }, { text: ' turns' }] });

/** @param {object} more @param {string} [q] */
function row(more, q = '', made = new SessionRow('a')) {
  made.update({ ...PLAIN, ...more }, q, (id) => (id === 'p' ? 'Parent' : null));
  return made;
}

/** @param {SessionRow} made @param {string} selector */
const all = (made, selector) => [...made.node.querySelectorAll(selector)];
const words = (/** @type {SessionRow} */ made, /** @type {string} */ selector) => all(made, selector).map((each) => each.textContent);
const hrefs = (/** @type {SessionRow} */ made, /** @type {string} */ selector) => all(made, selector).map((each) => each.getAttribute('href'));

test('a row leads to its session; one that is being written, to where it is', () => {
  assert.deepEqual(hrefs(row({}), 'a'), ['/sessions/a']);
  assert.deepEqual(hrefs(row({ live: true }), 'a'), ['/sessions/a#live']);
});

test('marks say what is special about it', () => {
  assert.deepEqual(words(row({}), '.badge:not(.row-broken), .tag'), []);
  const marks = words(row({ live: true, has_errors: true, source_gone: true, timing: 'synthetic' }), '.badge:not(.row-broken), .tag');
  assert.deepEqual(marks, ['live', 'errors', 'source gone', 'no timestamps']);
});

test('one that belongs to another leads there', () => {
  assert.deepEqual(hrefs(row({ parent_scroll_id: 'p' }), '.row-belongs a'), ['/sessions/p']);
  assert.deepEqual(words(row({ parent_scroll_id: 'p' }), '.row-belongs'), ['Subagent of Parent']);
  assert.deepEqual(words(row({ parent_scroll_id: 'q' }), '.row-belongs'), ['Subagent of another session']);
});

test('one that cannot be played is no link, and says why', () => {
  const made = row({ error: 'bad JSON' });
  assert.equal(all(made, 'a').length, 0);
  assert.deepEqual(words(made, '.row-error'), ['bad JSON']);
});

test('what was found is shown three times at most, and leads there', () => {
  const made = row({ hits: [hit(1), hit(4, '<b>'), hit(9), hit(12), hit(20)] }, 'tide');
  assert.deepEqual(hrefs(made, '.hit'), [1, 4, 9].map((seq) => `/sessions/a#seq=${seq}&q=tide`));
  assert.deepEqual(words(made, 'mark'), ['tide', '<b>', 'tide']);
  assert.deepEqual(words(made, '.hits-more'), ['and 2 more in this session']);
});

test('brought up to date, what has not changed is the same node', () => {
  const made = row({ hits: [hit(1)], live: true }, 'tide');
  const before = all(made, 'a, .badge, .hit, mark');
  row({ hits: [hit(1)], live: true, count: 3 }, 'tide', made);
  assert.deepEqual(all(made, 'a, .badge, .hit, mark'), before);
  assert.deepEqual(words(made, '.row-count'), ['3 messages']);
});

const HOSTILE = '<img src=x onerror=alert(1)> \u202Egnp';
test('hostile text is text', () => {
  const made = row({ title: HOSTILE, agent: HOSTILE, project: HOSTILE, error: null, parent_scroll_id: '../x', hits: [hit(1, HOSTILE, HOSTILE)] }, HOSTILE);
  assert.deepEqual(dangers(made.node).filter((each) => !/^a href=\/sessions\/[^/]*$/.test(each)), []);
  assert.doesNotMatch(made.node.textContent ?? '', /[\u202a-\u202e]/);
});
