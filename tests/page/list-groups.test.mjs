import assert from 'node:assert/strict';
import { test } from 'node:test';

import { groupsOf, nextPlace } from '../../static/list-groups.js';

/** @type {Record<string, string | null>} */
const PROJECTS = { a: 'one', b: 'two', c: 'one', d: null, e: 'two' };
const projectOf = (/** @type {string} */ id) => PROJECTS[id] ?? null;

test('groups stand in the order of their first sessions', () => {
  const groups = groupsOf(['b', 'a', 'd', 'c'], [], projectOf);
  assert.deepEqual(groups.map(({ name, ids }) => [name, ids]), [['two', ['b']], ['one', ['a', 'c']], ['No project', ['d']]]);
});

test('a further page moves no row and no group', () => {
  const before = groupsOf(['b', 'a'], [], projectOf);
  const after = groupsOf(['b', 'a', 'c', 'e'], [], projectOf);
  assert.deepEqual(after.map(({ key }) => key), before.map(({ key }) => key));
  for (const [at, group] of before.entries()) assert.deepEqual(after[at]?.ids.slice(0, group.ids.length), group.ids);
});

test('what is live comes first and once, listed so far or not', () => {
  const groups = groupsOf(['a', 'b', 'c'], ['c', 'x'], projectOf);
  assert.deepEqual(groups.map(({ name, ids }) => [name, ids]), [['Live now', ['c', 'x']], ['one', ['a']], ['two', ['b']]]);
  assert.deepEqual(groupsOf(['a', 'b'], ['b'], null).map(({ ids }) => ids), [['b'], ['a']]);
});

test('a project named like no project is another one than none', () => {
  const groups = groupsOf(['p', 'q'], [], (id) => (id === 'p' ? 'No project' : null));
  assert.deepEqual(groups.map(({ ids }) => ids), [['p'], ['q']]);
});

test('the keys stop at the ends', () => {
  assert.equal(nextPlace(-1, 'j', 3), 0);
  assert.equal(nextPlace(2, 'ArrowDown', 3), 2);
  assert.equal(nextPlace(0, 'k', 3), 0);
  assert.equal(nextPlace(1, 'End', 3), 2);
  assert.equal(nextPlace(1, 'x', 3), null);
  assert.equal(nextPlace(-1, 'j', 0), null);
});
