import assert from 'node:assert/strict';
import { test } from 'node:test';

import './page.mjs';
import { Lane } from '../../static/views/lane.js';

/** @typedef {import('../../static/protocol.js').Part} Part */

/**
 * A server of these sessions, to which more can be said.
 *
 * @param {Record<string, { parent?: string, live?: boolean, messages: Part[][] }>} sessions
 */
function serving(sessions) {
  const summary = (/** @type {string} */ id) =>
    /** @type {any} */ ({ scroll_id: id, title: id, live: sessions[id]?.live ?? false, parent_scroll_id: sessions[id]?.parent ?? null, parent_call_id: `call-${id}` });
  const envelope = (/** @type {Part[]} */ content, /** @type {number} */ seq) => ({
    type: 'event', seq, t_ms: seq * 1000, event: { type: 'message_completed', message: { id: `m${seq}`, role: seq === 0 ? 'user' : 'assistant', created_at: '', content, metadata: null } },
  });
  return /** @type {any} */ ({
    events: async (/** @type {string} */ id, /** @type {{ start_seq: number, limit: number }} */ { start_seq, limit }) => {
      const { messages } = sessions[id] ?? { messages: [] };
      const stop = Math.min(start_seq + limit, messages.length);
      return { events: messages.slice(start_seq, stop).map((content, index) => envelope(content, start_seq + index)), next_seq: stop < messages.length ? stop : null };
    },
    session: async (/** @type {string} */ id) => summary(id),
    sessions: async (/** @type {{ parent: string }} */ { parent }) => ({ sessions: Object.keys(sessions).filter((id) => sessions[id]?.parent === parent).map(summary) }),
    text: async () => new Blob(),
  });
}

const settle = async () => {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
};

/** A subagent. @type {any} */
const LOOK = { scroll_id: 'one', title: 'Look' };

/** @param {string} words @returns {Part} */
const text = (words) => ({ type: 'text', text: words });
/** @param {string} id @returns {Part} */
const call = (id) => ({ type: 'tool_call', call_id: id, name: 'Task', kind: null, title: null, input: {} });

test('a lane shows a page at a time, and more when it is asked for', async () => {
  const messages = Array.from({ length: 50 }, (_, seq) => [text(`said ${seq}.`)]);
  const lane = new Lane(LOOK, serving({ one: { messages } }), () => false);
  await settle();

  assert.equal(lane.node.querySelectorAll('.msg').length, 40);
  assert.equal(lane.node.querySelector('.msg-name')?.textContent, 'Prompt', 'it is the agent above that asks');
  assert.match(lane.node.querySelector('.lane-foot')?.textContent ?? '', /Show more.*40 messages shown/);
  /** @type {HTMLElement} */ (lane.node.querySelector('.lane-foot button')).click();
  await settle();
  assert.equal(lane.node.querySelectorAll('.msg').length, 50);
  assert.match(lane.node.querySelector('.lane-foot')?.textContent ?? '', /^50 messages/);
});

test('a subagent of a subagent opens in its lane', async () => {
  const api = serving({ one: { messages: [[text('Look.')], [call('call-two')]] }, two: { parent: 'one', messages: [[text('Deeper.')]] } });
  const lane = new Lane(LOOK, api, () => false);
  await settle();
  /** @type {HTMLElement} */ (lane.node.querySelector('.lane-button')).click();
  await settle();

  assert.match(lane.node.querySelector('.lane .lane-messages')?.textContent ?? '', /Deeper\./);
});

test('what a subagent at work does comes by itself, and its calls wait until it is done', async ({ mock }) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const one = { live: true, messages: [[text('Look.')], [call('c')]] };
  const lane = new Lane(LOOK, serving({ one }), () => false);
  document.body.append(lane.node);
  await settle();
  const [first] = lane.node.querySelectorAll('.msg');
  assert.match(lane.node.querySelector('.lane-foot')?.textContent ?? '', /2 messages so far/);
  assert.ok(lane.node.querySelector('.tool.is-waiting'));

  one.messages.push([text('Found.')]);
  mock.timers.tick(3_000);
  await settle();
  assert.match(lane.node.textContent ?? '', /Found\.[^]*3 messages so far/);
  assert.equal(lane.node.querySelector('.msg'), first, 'nothing is drawn again');

  one.live = false;
  mock.timers.tick(3_000);
  await settle();
  assert.equal(lane.node.querySelector('.tool.is-waiting'), null);
  assert.match(lane.node.querySelector('.lane-foot')?.textContent ?? '', /3 messages(?! so far)/);

  one.messages.push([text('Later.')]);
  lane.close();
  mock.timers.tick(30_000);
  await settle();
  assert.doesNotMatch(lane.node.textContent ?? '', /Later/);
});
