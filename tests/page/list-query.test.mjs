import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { countFilters, formatFilters, parseFilters, toQuery } from '../../static/list-query.js';

const PLAIN = parseFilters('');
const NOON = new Date(2026, 10, 22, 12).getTime();
const day = (/** @type {number} */ year, /** @type {number} */ month, /** @type {number} */ date) => new Date(year, month - 1, date).toISOString();

describe('in the address', () => {
  for (const address of [
    '', '?q=high+tide', '?agent=Codex&project=%2Fhome%2Fmira%2Ftidepool&model=opus', '?days=7&errors=1', '?after=2026-11-01&before=2026-11-22', '?live=1&sort=-count', '?q=%3Cscript%3E&sort=title',
  ]) {
    test(`${address || 'nothing'} is what it was made of`, () => assert.equal(formatFilters(parseFilters(address)), address));
  }

  test('what is not understood is left out', () => {
    assert.deepEqual(parseFilters('?sort=weight&days=3&after=2026-02-31&before=soon&errors=yes&live=0&colour=red'), PLAIN);
  });

  test('days back and days by name exclude each other', () => {
    assert.equal(parseFilters('?days=7&after=2026-11-01').after, '');
  });
});

describe('asked of the server', () => {
  test('nothing but the order, to begin with', () => {
    assert.deepEqual(Object.entries(toQuery(PLAIN, NOON)).filter(([, value]) => value !== ''), [['sort', '-updated_at']]);
  });

  for (const [days, from] of /** @type {[string, string][]} */ ([['1', day(2026, 11, 22)], ['7', day(2026, 11, 16)], ['30', day(2026, 10, 24)]])) {
    test(`${days} days back begin at a midnight of the viewer's`, () => assert.equal(toQuery({ ...PLAIN, days }, NOON).after, from));
  }

  test('the last day counts', () => {
    const { after, before } = toQuery({ ...PLAIN, after: '2026-11-01', before: '2026-11-22' }, NOON);
    assert.deepEqual([after, before], [day(2026, 11, 1), day(2026, 11, 23)]);
  });

  test('switches are said only when they are on', () => {
    const query = toQuery({ ...PLAIN, errors: true }, NOON);
    assert.deepEqual([query.errors, 'live' in query], [1, false]);
  });
});

test('filters are counted, a span of days as one', () => {
  assert.equal(countFilters(PLAIN), 0);
  assert.equal(countFilters({ ...PLAIN, q: 'x', sort: 'title' }), 0);
  assert.equal(countFilters({ ...PLAIN, agent: 'a', after: '2026-11-01', before: '2026-11-02', errors: true }), 3);
});
