import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ProtocolError, parse } from '../../static/protocol.js';
import { event } from './wire.mjs';

test('an event comes out as it went in, with fields that this page does not know', () => {
  const sent = { ...event(3), future: { deep: [1] } };
  assert.deepEqual(parse(JSON.stringify(sent)), [sent]);
});

test('a batch becomes one envelope an event, each with what the batch says once', () => {
  const origin = { type: 'replay', replay_id: 'r' };
  const routing = { connector_uid: null, connector_id: '', scroll_id: 's' };
  const items = [0, 1].map((seq) => ({ seq, t_ms: seq, event: event(seq).event }));
  const envelopes = parse(JSON.stringify({ type: 'events', gen: 2, routing, origin, events: items }));
  assert.deepEqual(envelopes, items.map((item) => ({ type: 'event', ...item, gen: 2, routing, origin })));
});

test('an empty batch is no message', () => {
  assert.deepEqual(parse('{"type":"events","gen":0,"events":[]}'), []);
});

test('a message of an unknown type is kept', () => {
  assert.deepEqual(parse('{"type":"weather","sun":true}'), [{ type: 'weather', sun: true }]);
});

for (const text of ['', '{', '[]', 'null', '7', '{"type":7}', '{}', '{"type":"events","gen":0}']) {
  test(`what is no message is refused: ${text || 'nothing'}`, () => {
    assert.throws(() => parse(text), ProtocolError);
  });
}

test('a session cannot reach the prototype of anything', () => {
  parse('{"type":"event","seq":0,"t_ms":0,"__proto__":{"polluted":true},"event":{"constructor":{"prototype":{"polluted":true}}}}');
  assert.equal(/** @type {any} */ ({}).polluted, undefined);
});
