import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Pairs } from '../../static/pairs.js';

const ROW = Pairs.of([[0, 10], [10, 10], [25, 30]]);

test('the last pair that is no later is found, by either number', () => {
  const found = (/** @type {number[]} */ places, /** @type {(most: number) => number} */ last) => places.map(last);
  assert.deepEqual(found([-1, 0, 9, 10, 24.5, 25, 99], (most) => ROW.lastByFirst(most)), [-1, 0, 0, 1, 1, 2, 2]);
  assert.deepEqual(found([9, 10, 29, 30], (most) => ROW.lastBySecond(most)), [-1, 1, 1, 2]);
  assert.equal(Pairs.of([]).lastByFirst(5), -1);
});

test('a row that grows leaves the one it was as it is, even where both grow', () => {
  let longer = ROW;
  for (let at = 40; at < 140; at += 10) longer = longer.plus(at, at + 5);
  const other = ROW.plus(26, 27);
  const branch = longer.upTo(5).plus(77, 78);
  assert.deepEqual([...ROW], [[0, 10], [10, 10], [25, 30]]);
  assert.deepEqual([...longer].slice(3), Array.from({ length: 10 }, (_, index) => [40 + index * 10, 45 + index * 10]));
  assert.deepEqual([...other].slice(3), [[26, 27]]);
  assert.deepEqual([...branch].slice(3), [[40, 45], [50, 55], [77, 78]]);
  assert.equal(ROW.upTo(9), ROW);
});

test('a table is read as the server writes it', () => {
  const numbers = [0n, 3_000n, 5_000_000_000n, 2n ** 52n];
  const table = new DataView(new ArrayBuffer(numbers.length * 8));
  numbers.forEach((number, index) => table.setBigInt64(index * 8, number, true));
  assert.deepEqual([...Pairs.read(table.buffer)], [[0, 3_000], [5_000_000_000, 2 ** 52]]);
  assert.equal(Pairs.read(new ArrayBuffer(0)).length, 0);
});
