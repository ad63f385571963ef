import assert from 'node:assert/strict';
import { test } from 'node:test';

import { formatEvent, formatHit, formatMoment, parseMoment, parseTime } from '../../static/deep-link.js';

const NOTHING = { tMs: null, speed: null, pace: undefined, eventId: null, meta: false, seq: null, q: '', live: false };

for (const [text, ms] of /** @type {[string, number | null][]} */ ([
  ['754', 754_000], ['0', 0], ['1.5', 1_500], ['12:34', 754_000], ['1:02:03', 3_723_000], ['90:00', 5_400_000],
  ['', null], ['-3', null], ['soon', null], ['1:2', null], ['1e3', null], [' 5', null],
])) {
  test(`#t=${text} is ${ms === null ? 'no time' : `${ms} ms`}`, () => assert.equal(parseTime(text), ms));
}

test('speed and pace come along', () => {
  assert.deepEqual(parseMoment('#t=754&speed=4&idle=2'), { ...NOTHING, tMs: 754_000, speed: 4, pace: 2 });
  assert.deepEqual(parseMoment('#speed=max&idle=off'), { ...NOTHING, speed: 'max', pace: null });
  assert.deepEqual(parseMoment('#pace=reading&idle=3'), { ...NOTHING, pace: 'reading' });
});

test('what cannot be is left out', () => {
  assert.deepEqual(parseMoment('#t=x&speed=1000&idle=0&seq=-1&seq=2'), NOTHING);
  assert.deepEqual(parseMoment('#seq=1e3'), NOTHING);
  assert.deepEqual(parseMoment(''), NOTHING);
});

test('a link to what was found names the event and the words', () => {
  assert.equal(formatHit(412, 'high tide & #1'), '#seq=412&q=high+tide+%26+%231');
  assert.deepEqual(parseMoment(formatHit(412, 'high tide & #1')), { ...NOTHING, seq: 412, q: 'high tide & #1' });
});

test('a link to an event has its id, whatever that is, and says when it stands beside the messages', () => {
  const message = /** @type {any} */ ({ event: { type: 'message_completed', message: { id: 'msg_1&t=5 #é' } } });
  assert.deepEqual(parseMoment(formatEvent(message)), { ...NOTHING, eventId: 'msg_1&t=5 #é' });
  const meta = /** @type {any} */ ({ event: { type: 'meta_event', meta_event: { id: 'mode-3' } } });
  assert.deepEqual(parseMoment(formatEvent(meta)), { ...NOTHING, eventId: 'mode-3', meta: true });
  assert.equal(parseMoment('#e=').eventId, null);
});

test('a link may lead to where the session is being written', () => {
  assert.equal(parseMoment('#live').live, true);
});

test('a copied link leads back, to the second', () => {
  assert.equal(formatMoment(754_900), '#t=754');
  assert.equal(parseMoment(formatMoment(754_900)).tMs, 754_000);
});
