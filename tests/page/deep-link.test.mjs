import assert from 'node:assert/strict';
import { test } from 'node:test';

import { formatMoment, parseMoment, parseTime } from '../../static/deep-link.js';

for (const [text, ms] of /** @type {[string, number | null][]} */ ([
  ['754', 754_000], ['0', 0], ['1.5', 1_500], ['12:34', 754_000], ['1:02:03', 3_723_000], ['90:00', 5_400_000],
  ['', null], ['-3', null], ['soon', null], ['1:2', null], ['1e3', null], [' 5', null],
])) {
  test(`#t=${text} is ${ms === null ? 'no time' : `${ms} ms`}`, () => assert.equal(parseTime(text), ms));
}

test('speed and idle come along', () => {
  assert.deepEqual(parseMoment('#t=754&speed=4&idle=2'), { tMs: 754_000, speed: 4, idle: 2 });
  assert.deepEqual(parseMoment('#speed=max&idle=off'), { tMs: null, speed: 'max', idle: 'off' });
});

test('what cannot be is left out', () => {
  assert.deepEqual(parseMoment('#t=x&speed=1000&idle=0'), { tMs: null, speed: null, idle: null });
  assert.deepEqual(parseMoment(''), { tMs: null, speed: null, idle: null });
});

test('a copied link leads back, to the second', () => {
  assert.equal(formatMoment(754_900), '#t=754');
  assert.equal(parseMoment(formatMoment(754_900)).tMs, 754_000);
});
