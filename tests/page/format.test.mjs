import assert from 'node:assert/strict';
import { test } from 'node:test';

import { bytes, clock, compactNumber, dateTime, oneLine, relativeDate, safeText, span } from '../../static/format.js';

/** @param {string} name @param {(value: any) => string} format @param {[unknown, string][]} cases */
function table(name, format, cases) {
  for (const [value, expected] of cases) test(`${name} writes ${JSON.stringify(value) ?? String(value)} as ${expected}`, () => assert.equal(format(value), expected));
}

table('clock', clock, [[0, '0:00'], [999, '0:00'], [221_000, '3:41'], [3_723_000, '1:02:03'], [360_000_000, '100:00:00'], [-5, '0:00'], [NaN, '0:00']]);
table('span', span, [
  [0, '0 s'], [240, '240 ms'], [4200, '4.2 s'], [4000, '4 s'], [9960, '10 s'], [41_000, '41 s'], [59_700, '1 min'],
  [200_000, '3 min 20 s'], [11_520_000, '3 h 12 min'], [187_200_000, '2 d 4 h'], [-1, '0 s'], [Infinity, '0 s'],
]);
table('bytes', bytes, [[0, '0 B'], [812, '812 B'], [1200, '1.2 KB'], [64_000, '64 KB'], [999_600, '1.0 MB'], [1_000_000, '1.0 MB'], [-1, '0 B'], [NaN, '0 B']]);
table('compactNumber', compactNumber, [[812, '812'], [1200, '1.2k'], [2000, '2k'], [64_000, '64k'], [999_900, '1M'], [3_400_000, '3.4M']]);
table('safeText', safeText, [
  ['plain\ttext\r\n', 'plain\ttext\r\n'], ['a\u0000b', 'a␀b'], ['\u001b[31m', '␛[31m'], ['\u202Eevil\u202C', '⟦RLO⟧evil⟦PDF⟧'],
  ['\u2066x\u2069', '⟦LRI⟧x⟦PDI⟧'], ['\u007f\u0085', '␡⟦85⟧'], ['שלום 👩‍👩‍👧 é', 'שלום 👩‍👩‍👧 é'],
]);

test('oneLine joins lines and ends a long one with an ellipsis', () => {
  assert.equal(oneLine('  a\n\n b\tc '), 'a b c');
  assert.equal(oneLine('abcdef', 4), 'abc…');
});

test('oneLine looks at the beginning of a megabyte only', () => {
  const started = performance.now();
  assert.equal(oneLine(' '.repeat(50) + 'x'.repeat(1_000_000), 100).length, 100);
  assert.ok(performance.now() - started < 50);
});

test('relativeDate counts from now and falls back to a date', () => {
  const now = Date.parse('2026-11-22T12:00:00Z');
  assert.equal(relativeDate('2026-11-22T11:59:50Z', now), 'just now');
  assert.equal(relativeDate('2026-11-22T11:55:00Z', now), '5 min ago');
  assert.equal(relativeDate('2026-11-22T09:00:00Z', now), '3 h ago');
  assert.equal(relativeDate('2026-11-21T09:00:00Z', now), 'yesterday');
  assert.equal(relativeDate('2026-11-18T09:00:00Z', now), '4 days ago');
  assert.match(relativeDate('2025-01-01T09:00:00Z', now), /2025/);
});

test('a date that is none is shown as it is', () => {
  assert.equal(dateTime('soon\u202E'), 'soon⟦RLO⟧');
  assert.equal(relativeDate(null), '');
});
