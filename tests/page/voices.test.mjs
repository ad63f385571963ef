import assert from 'node:assert/strict';
import { test } from 'node:test';

import './page.mjs';
import { el } from '../../static/dom.js';
import { joinVoices } from '../../static/views/voices.js';

const message = (/** @type {string} */ kind) => el('article', { class: `msg ${kind}` });
/** @param {...string} kinds */
function conversation(...kinds) {
  const nodes = kinds.map(message);
  const column = el('div', {}, ...nodes);
  nodes.forEach(joinVoices);
  return { column, nodes };
}
const looks = (/** @type {Element[]} */ nodes) => nodes.map(({ classList }) => (classList.contains('goes-on') ? 'goes on' : classList.contains('answers') ? 'answers' : ''));

test('an assistant that goes on is not named again, over a note between two messages either', () => {
  const { nodes } = conversation('msg-person', 'msg-assistant', 'msg-assistant', 'msg-meta', 'msg-assistant', 'msg-meta', 'msg-meta', 'msg-assistant', 'msg-system', 'msg-assistant');
  assert.deepEqual(looks(nodes), ['', 'answers', 'goes on', '', 'goes on', '', '', '', '', 'answers']);
});

test('each subagent is a voice of its own', () => {
  const lane = (/** @type {number} */ number) => `msg-assistant is-sidechain lane-${number}`;
  const { nodes } = conversation('msg-assistant', lane(1), lane(1), lane(2), 'msg-assistant', 'msg-assistant');
  assert.deepEqual(looks(nodes), ['', '', 'goes on', '', '', 'goes on']);
});

test('a head that says more than who speaks stays', () => {
  const { nodes } = conversation('msg-assistant', 'msg-assistant is-abandoned', 'msg-assistant is-inherited', 'msg-assistant');
  assert.deepEqual(looks(nodes), ['', '', '', 'goes on']);
});

test('what comes before a message, or goes from there, changes who it follows', () => {
  const { column, nodes } = conversation('msg-assistant', 'msg-meta', 'msg-assistant');
  const earlier = message('msg-assistant');
  column.prepend(earlier);
  joinVoices(earlier);
  assert.deepEqual(looks([...column.children]), ['', 'goes on', '', 'goes on']);
  for (const node of [earlier, ...nodes.slice(0, 2)]) node.remove();
  joinVoices(column.firstElementChild);
  assert.deepEqual(looks([...column.children]), ['']);
});
