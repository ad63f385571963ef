import assert from 'node:assert/strict';
import { test } from 'node:test';

import { EventLog } from '../../static/event-log.js';
import { event } from './wire.mjs';

/** @param {number} from @param {number} to */
const events = (from, to) => /** @type {any[]} */ (Array.from({ length: to - from }, (_, index) => event(from + index)));

test('holds what was put, and says what is missing', () => {
  const log = new EventLog();
  log.put(events(3, 6), 6);
  assert.ok(log.holds(3, 6));
  assert.ok(!log.holds(2, 6));
  assert.equal(log.lastMissing(0, 6), 2);
  assert.equal(log.lastMissing(3, 6), null);
  assert.equal(log.get(4)?.seq, 4);
  assert.equal(log.get(9), null);
});

test('drops what is farthest from the cursor when there are too many', () => {
  const log = new EventLog({ maxEvents: 100 });
  log.put(events(0, 400), 200);
  assert.ok(log.size <= 100);
  assert.ok(log.holds(180, 220));
});

test('drops by size too, and never everything', () => {
  const log = new EventLog({ maxCharacters: 1_000 });
  const large = event(0);
  /** @type {any} */ (large.event).message.content = [{ type: 'text', text: 'x'.repeat(5_000) }];
  log.put(/** @type {any[]} */ ([large]), 0);
  assert.equal(log.size, 1);
  log.put(/** @type {any[]} */ ([{ ...large, seq: 1 }, { ...large, seq: 2 }]), 2);
  assert.deepEqual([log.get(0), log.get(2)?.seq], [null, 2]);
});
