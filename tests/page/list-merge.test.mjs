import assert from 'node:assert/strict';
import { test } from 'node:test';

import { merge } from '../../static/list-merge.js';

for (const [name, shown, fetched, whole, order, added, removed] of /** @type {[string, string, string, boolean, string, number, number][]} */ ([
  ['nothing new', 'abc', 'abc', true, 'abc', 0, 0],
  ['the first ones', '', 'abc', true, 'abc', 3, 0],
  ['a new one on top', 'abc', 'nabc', true, 'nabc', 1, 0],
  ['new ones beside their neighbours', 'abc', 'anmbcx', true, 'anmbcx', 3, 0],
  ['another order of the same: all keep their places', 'abc', 'cab', true, 'abc', 0, 0],
  ['a new one behind one that has moved up', 'abc', 'cnab', true, 'abcn', 1, 0],
  ['one that is gone', 'abc', 'ac', true, 'ac', 0, 1],
  ['one that may only have been pushed further down', 'abc', 'na', false, 'nabc', 1, 0],
  ['all gone', 'abc', '', true, '', 0, 3],
])) {
  test(name, () => assert.deepEqual(merge([...shown], [...fetched], whole), { order: [...order], added, removed }));
}
