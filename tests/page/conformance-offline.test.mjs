/**
 * The conformance vectors (docs/conformance.md) against what stands in for the server in an exported page.
 *
 * It serves one session that is whole, to one client that follows it (`follow=true`): where the contract has `ended`,
 * `end` and a close without that, it has `live` and `caught_up`. All of its events come in `events` messages.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Pack } from '../../static/offline/pack.js';
import { OfflineSocket } from '../../static/offline/socket.js';
import { FakeClock } from './clock.mjs';
import { sample, vectors } from './vectors.mjs';

/** @typedef {import('./vectors.mjs').Vector} Vector */

/** All times in the vectors are multiples of it. */
const TICK_MS = 25;

const PARAMETERS = new Set(['mode', 'speed', 'idle', 'start_ms', 'start_seq', 'paused', 'meta', 'window', 'batch', 'hold']);

/** What the page never says, so that nothing here is prepared for it: nonsense, and `1` for `true`. */
const NEVER_SAID = new Set(['bad-command', 'booleans']);

/** Whether it is of what can happen in a file. @param {Vector} vector */
function happensInFiles({ name, for: whom, needs = [], steps }) {
  const kinds = new Set(steps.flatMap((step) => Object.keys(step)));
  const connects = steps.flatMap((step) => (step['connect'] ? [step['connect']] : []));
  const said = steps.flatMap((step) => (step['expect'] ? [step['expect']] : []));
  const isPlain = !['append', 'rewrite', 'drop', 'send_text', 'send_binary', 'times'].some((kind) => kinds.has(kind));
  const isKnown = connects.length === 1 && Object.keys(connects[0].parameters).every((name) => PARAMETERS.has(name)) && !connects[0].scroll_id;
  const isTold = said[0].type === 'hello' && !said.some(({ type, code }) => ['notice', 'heartbeat', 'error'].includes(type) && code !== 'bad_command');
  return !NEVER_SAID.has(name) && whom === undefined && !needs.includes('redaction') && isPlain && isKnown && isTold;
}

/** What the reader of a message needs for it (docs/formats.md). @param {any} event */
function readingMs(event) {
  const characters = (event.message?.content ?? []).reduce((/** @type {number} */ sum, /** @type {any} */ part) => sum + (part.text?.length ?? 0), 0);
  return event.message ? Math.min(12_000, Math.max(500, characters * 40)) : 0;
}

/** @param {any} event */
function* markersOf({ message }) {
  const parts = message?.content ?? [];
  if (message?.role === 'user' && !message.metadata?.archived_role && !parts.every((/** @type {any} */ part) => part.type === 'tool_result')) yield 'turn';
  if (parts.some((/** @type {any} */ part) => part.type === 'tool_call')) yield 'tool';
  if (parts.some((/** @type {any} */ part) => part.is_error)) yield 'error';
}

/** The session of a vector as a file holds it, made of its records. @param {Vector} vector */
function packOf({ session, steps }) {
  const meta = steps[0]?.['connect']?.parameters.meta === 'true';
  const told = new Map(steps.flatMap((step) => units(sample(step['expect'] ?? {}))).map((each) => [each.seq, each]));
  const count = steps[1]?.['expect']?.range.next_seq;
  const start = Date.parse(session.messages?.[0]?.ts ?? 0);
  const items = Array.from({ length: count }, (_, seq) => told.get(seq) ?? untold(session.messages[seq], seq, start));
  const kinds = items.flatMap(({ event, t_ms }, seq) => [...markersOf(event)].map((kind) => ({ seq, t_ms, kind, label: '' })));
  const contents = /** @type {any} */ ({
    times: items.map((item, seq) => item.t_ms - (items[seq - 1]?.t_ms ?? 0)), reading: items.map(({ event }) => readingMs(event)),
    meta: meta ? items.flatMap(({ event }, seq) => (event.type === 'meta_event' ? [seq] : [])) : [], starts: count > 0 ? [0] : [], markers: kinds, spent: [], parts: {},
  });
  return new Pack(session.metadata, contents, async () => items.map((item) => JSON.stringify(item)).join('\n'));
}

/** An event that the vector does not show. @param {any} record @param {number} seq @param {number} start */
function untold(record, seq, start) {
  const content = record.content_parts ?? [{ type: 'text', text: record.content_md }];
  return { seq, t_ms: Date.parse(record.ts) - start, event: { type: 'message_completed', message: { id: record.message_id, role: record.role, content } } };
}

/** The events in a message, each as one; any other message as it is. @param {any} message @returns {any[]} */
function units(message) {
  const { type, gen, events } = message;
  if (type === 'event') return [message];
  return type === 'events' ? events.map((/** @type {any} */ each) => ({ type: 'event', gen, ...each })) : [];
}

/** What is looked at of a message. @param {any} message @returns {any[]} */
function shown(message) {
  const { type, seq, t_ms, gen, status, request_id, did_seek, mode, speed, idle, from_ms, to_ms, code, range, state } = message;
  if (type === 'events' || type === 'event') return units(message).map((each) => ({ type: 'event', seq: each.seq, t_ms: each.t_ms, gen: each.gen, id: idOf(each.event) }));
  if (type === 'hello') return [{ type, next_seq: range.next_seq, duration_ms: range.duration_ms, ...shown({ ...state, type: 'state' })[0] }];
  if (type === 'state') return [{ type, status, seq, t_ms, gen, mode, speed, idle, did_seek: did_seek ?? false, request_id }];
  if (type === 'skipped') return [{ type, from_ms, to_ms }];
  return [type === 'error' ? { type, code, request_id } : { type, seq }];
}

/** @param {any} event */
const idOf = (event) => (event.message ?? event.meta_event).id;

/** What has to be heard of a client that follows, and when. @param {Vector} vector */
function expected({ steps }) {
  return steps.flatMap(({ at_ms, expect }) => {
    if (!expect || expect.type === 'end') return [];
    const message = sample(expect);
    if (message.status !== 'ended') return shown(message).map((each) => ({ at_ms, ...each }));
    const [state] = shown({ ...message, status: 'live' });
    return message.request_id === undefined ? [{ at_ms, ...state }, { at_ms, type: 'caught_up', seq: message.seq }] : [{ at_ms, ...state }];
  });
}

for (const vector of vectors().filter(happensInFiles)) {
  test(`${vector.name}: ${vector.title}`, async () => {
    const clock = new FakeClock();
    const query = new URLSearchParams({ ...vector.steps[0]?.['connect'].parameters, follow: 'true' });
    const socket = new OfflineSocket(packOf(vector), `/ws/sessions/s?${query}`, clock);
    /** @type {any[]} */
    const heard = [];
    socket.onmessage = ({ data }) => heard.push(...shown(JSON.parse(data)).map((each) => ({ at_ms: clock.time, ...each })));
    for (const { at_ms, send } of [...vector.steps, { at_ms: /** @type {any} */ (vector.steps.at(-1)).at_ms + TICK_MS, send: undefined }]) {
      await pass(clock, at_ms);
      if (send) socket.send(JSON.stringify(send));
      await settled();
    }
    socket.close();
    assert.deepEqual(heard, expected(vector));
  });
}

/** @param {FakeClock} clock @param {number} until */
async function pass(clock, until) {
  await settled();
  while (clock.time < until || until === 0) {
    clock.pass(Math.min(TICK_MS, until - clock.time));
    await settled();
    if (until === 0) break;
  }
}

/** Lets everything happen that waits for nothing but its turn. */
async function settled() {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}
