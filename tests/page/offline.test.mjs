import assert from 'node:assert/strict';
import { test } from 'node:test';

import { childrenOf } from '../../static/children.js';
import { createOfflineApi } from '../../static/offline/api.js';
import { Pack, Packs } from '../../static/offline/pack.js';
import { OfflineSocket } from '../../static/offline/socket.js';
import { PlayerStore } from '../../static/player-store.js';
import { SessionClient } from '../../static/session-client.js';
import { FakeClock } from './clock.mjs';

/** @typedef {import('../../static/protocol.js').Marker} Marker */

/** @param {number} seq @param {string} text */
const line = (seq, text) => JSON.stringify({
  seq, t_ms: 0,
  event: { type: 'message_completed', connector_id: '', message: { id: `m${seq}`, session_id: 's', role: 'assistant', created_at: '', content: [{ type: 'text', text }], status: 'completed', metadata: null } },
});

/** @param {number} seq */
const metaLine = (seq) => JSON.stringify({ seq, t_ms: 0, event: { type: 'meta_event', connector_id: '', meta_event: { id: `e${seq}`, session_id: 's', kind: 'k', created_at: '', payload: null } } });

/** It takes so long to read each event of these files. */
const READING_MS = 700;

/**
 * A file with an event at each of these times, in blocks of three.
 *
 * @param {number[]} times
 * @param {{ meta?: number[], markers?: [number, string][], texts?: Record<number, string> }} [more]
 */
function packed(times, { meta = [], markers = [], texts = {} } = {}) {
  const lines = times.map((_, seq) => (meta.includes(seq) ? metaLine(seq) : line(seq, texts[seq] ?? `text ${seq}`)));
  const starts = times.map((_, seq) => seq).filter((seq) => seq % 3 === 0);
  /** @type {string[]} */
  const asked = [];
  const contents = {
    times: times.map((time, seq) => time - (times[seq - 1] ?? 0)), reading: times.map(() => READING_MS), meta, starts,
    markers: markers.map(([seq, kind]) => /** @type {Marker} */ ({ seq, t_ms: times[seq], kind, label: `${kind} ${seq}` })),
    spent: markers.flatMap(([seq, kind]) => (kind === 'turn' ? [{ tokens: { read: seq, written: 1 }, cost: null, whole: true }] : [])),
    parts: { '/api/sessions/s/events/0/parts/0': ['part-1-0', 'part-1-1'] },
  };
  const session = /** @type {any} */ ({ scroll_id: 's', title: 'A session', native_session_id: null, connector_uid: null, parent_scroll_id: null });
  const read = async (/** @type {string} */ name) => {
    asked.push(name);
    if (name === 'contents') return JSON.stringify(contents);
    if (name.startsWith('part')) return name;
    const start = 3 * Number(name.replace('events-', ''));
    return lines.slice(start, start + 3).join('\n');
  };
  return { pack: new Pack(session, contents, read), asked, api: createOfflineApi(new Packs([{ blocks: '', session }], read)) };
}

/** Lets everything happen that waits for nothing but its turn. */
const settle = async () => {
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
};

/**
 * What a client hears of a file.
 *
 * @param {number[]} times
 * @param {string} query
 * @param {Parameters<typeof packed>[1]} [more]
 */
async function listening(times, query, more) {
  const clock = new FakeClock();
  const socket = new OfflineSocket(packed(times, more).pack, `/ws/sessions/s?follow=true&hold=true&${query}`, clock);
  /** @type {any[]} */
  const heard = [];
  socket.onmessage = ({ data }) => heard.push(JSON.parse(data));
  const pass = async (/** @type {number} */ ms) => {
    clock.pass(ms);
    await settle();
  };
  await pass(0);
  const seqs = () => heard.filter((each) => each.type === 'events').flatMap((each) => each.events.map((/** @type {any} */ event) => event.seq));
  const control = async (/** @type {object} */ command) => {
    socket.send(JSON.stringify({ type: 'control', request_id: 'r', ...command }));
    await settle();
    return heard.findLast((each) => each.request_id === 'r');
  };
  return { clock, socket, heard, pass, seqs, control };
}

test('greets, then sends each event when its time has come', async () => {
  const { heard, pass, seqs } = await listening([0, 1000, 2500], 'mode=realtime');

  assert.deepEqual(heard.map((each) => each.type), ['hello', 'events']);
  assert.deepEqual(heard[0].range, { first_seq: 0, next_seq: 3, duration_ms: 2500, live: false });
  await pass(999);
  assert.deepEqual(seqs(), [0]);
  await pass(1);
  assert.deepEqual(seqs(), [0, 1]);
  await pass(1500);
  assert.deepEqual(seqs(), [0, 1, 2]);
  assert.deepEqual(heard.slice(-2).map(({ type, status }) => [type, status]), [['state', 'live'], ['caught_up', undefined]]);
});

test('speed, idle cap and the rule of an hour shorten what is waited for, and silences that are cut are told', async () => {
  const { heard, pass, seqs } = await listening([0, 10_000, 12_000, 12_000 + 3_600_000], 'mode=realtime&speed=2&idle=4');

  await pass(1999);
  assert.deepEqual(seqs(), [0]);
  await pass(1);
  assert.deepEqual(seqs(), [0, 1]);
  await pass(1000);
  assert.deepEqual(seqs(), [0, 1, 2, 3]);
  assert.deepEqual(heard.filter((each) => each.type === 'skipped'), [
    { type: 'skipped', from_ms: 0, to_ms: 10_000 }, { type: 'skipped', from_ms: 12_000, to_ms: 3_612_000 },
  ]);
});

test('at the pace of a reader, each comes when the one before it has been read, and a pause keeps what is left', async () => {
  const { pass, seqs, control } = await listening([0, 0, 3_600_000, 3_600_000], 'mode=reading');

  await pass(READING_MS - 1);
  assert.deepEqual(seqs(), [0]);
  await pass(1);
  assert.deepEqual(seqs(), [0, 1]);
  await pass(500);
  await control({ play: false });
  await pass(5000);
  await control({ play: true, speed: 2 });
  await pass(99);
  assert.deepEqual(seqs(), [0, 1]);
  await pass(1);
  assert.deepEqual(seqs(), [0, 1, 2]);
  await pass(READING_MS / 2);
  assert.deepEqual(seqs(), [0, 1, 2, 3]);
});

test('a timer that comes late does not make what follows late', async () => {
  const { pass, seqs } = await listening([0, 1000, 2000, 3000], 'mode=realtime');

  await pass(1900);
  assert.deepEqual(seqs(), [0, 1]);
  await pass(100);
  assert.deepEqual(seqs(), [0, 1, 2]);
});

test('an event that falls due while the one before it is sent does not wait for anything else', async () => {
  const { clock, pass, seqs } = await listening([0, 1000, 1001, 1002, 3000], 'mode=realtime');
  const now = clock.now;
  clock.now = () => (clock.time += 0.4); // time passes with each look at it

  await pass(1000);
  for (let turn = 0; turn < 10; turn++) await pass(1);
  assert.deepEqual(seqs(), [0, 1, 2, 3]);
  clock.now = now;
});

test('a change of speed or idle cap keeps the recorded position', async () => {
  const { pass, control, seqs } = await listening([0, 10_000], 'mode=realtime');

  await pass(5000);
  assert.equal((await control({ speed: 5 })).t_ms, 5000);
  assert.equal((await control({ idle: 2 })).t_ms, 5000);
  await pass(199);
  assert.deepEqual(seqs(), [0]);
  await pass(1);
  assert.deepEqual(seqs(), [0, 1]);
});

test('a seek begins a new generation at the first event from there on, and waits for the rest of a silence', async () => {
  const { heard, pass, control, seqs } = await listening([0, 1000, 9000, 9500], 'mode=realtime&paused=true');

  assert.deepEqual(seqs(), []);
  const state = await control({ seek: { t_ms: 8000 }, play: true });
  assert.deepEqual([state.status, state.seq, state.t_ms, state.gen, state.did_seek], ['playing', 2, 8000, 1, true]);
  await pass(999);
  assert.deepEqual(seqs(), []);
  await pass(1);
  assert.deepEqual(heard.at(-1).events.map((/** @type {any} */ each) => [each.seq, each.t_ms]), [[2, 9000]]);
  assert.equal(heard.at(-1).gen, 1);
  assert.equal((await control({ seek: { t_ms: 1e12 } })).status, 'playing', 'the answer comes before what is caused');
  assert.deepEqual(heard.slice(-2).map(({ type, status }) => [type, status]), [['state', 'live'], ['caught_up', undefined]]);
});

test('steps go by events, turns, tools and errors, both ways', async () => {
  const { heard, control, seqs } = await listening([0, 1, 2, 3, 4, 5], 'mode=realtime&paused=true', { markers: [[0, 'turn'], [1, 'error'], [2, 'tool'], [4, 'turn']] });

  assert.equal((await control({ step: { by: 1, unit: 'event' } })).seq, 1);
  assert.equal((await control({ step: { by: 1, unit: 'tool' } })).seq, 3);
  assert.equal((await control({ step: { by: 1, unit: 'tool' } })).seq, 6);
  assert.deepEqual(seqs(), [0, 1, 2, 3, 4, 5]);
  assert.equal(heard.at(-1).type, 'state', 'the answer comes when the events have');
  const back = await control({ step: { by: -1, unit: 'turn' } });
  assert.deepEqual([back.seq, back.gen, back.status], [4, 1, 'paused']);
  assert.equal((await control({ step: { by: -2, unit: 'event' } })).seq, 2);
  assert.equal((await control({ step: { by: -1, unit: 'error' } })).seq, 1);
  assert.equal((await control({ step: { by: 1, unit: 'error' } })).seq, 2);
  assert.equal((await control({ step: { by: -1, unit: 'turn' } })).seq, 0);
  assert.equal((await control({ step: { by: -1, unit: 'turn' } })).seq, 0);
});

test('as fast as possible, no more is sent than the window holds', async () => {
  const times = Array.from({ length: 20 }, (_, seq) => seq * 1000);
  const { socket, seqs } = await listening(times, 'mode=fast&window=8');

  assert.equal(seqs().length, 8);
  socket.send('{"type":"ack","seq":3}');
  await settle();
  assert.deepEqual(seqs(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
});

test('meta events have a place only for who asks for them', async () => {
  const more = { meta: [1], markers: /** @type {[number, string][]} */ ([[2, 'turn']]) };
  const without = await listening([0, 1, 2], 'mode=fast', more);
  const withThem = await listening([0, 1, 2], 'mode=fast&meta=true', more);
  const { pack } = packed([0, 1, 2], more);

  assert.deepEqual(without.seqs(), [0, 1]);
  assert.deepEqual(withThem.seqs(), [0, 1, 2]);
  assert.deepEqual([pack.timeline().count, pack.timeline(true).count], [2, 3]);
  assert.deepEqual([pack.timeline().markers[0]?.seq, pack.timeline(true).markers[0]?.seq], [1, 2]);
});

test('a closed socket says nothing more', async () => {
  const { socket, heard, pass } = await listening([0, 1000], 'mode=realtime');

  socket.close();
  await pass(5000);
  assert.equal(heard.filter((each) => each.type === 'events').length, 1);
});

test('the page plays a file as it plays a server: every event once and in order, whatever is pressed', async () => {
  const clock = new FakeClock();
  const times = Array.from({ length: 60 }, (_, seq) => seq * 400 + (seq > 30 ? 100_000 : 0));
  const { pack, api } = packed(times, { markers: times.map((_, seq) => /** @type {[number, string]} */ ([seq, seq % 10 === 0 ? 'turn' : 'tool'])) });
  const store = new PlayerStore('s', { startMs: 0, mode: 'realtime', speed: 1, idle: 5, paused: false }, {
    api,
    connect: (wish, delegate) => new SessionClient('s', wish, { open: (path) => new OfflineSocket(pack, path, clock), clock, random: Math.random }, delegate),
    now: clock.now,
    after: clock.after,
    soon: (action) => void clock.after(16, action),
  });
  let expected = 0;
  store.subscribe((state, before) => {
    if (state.rewinds !== before.rewinds) expected = state.cursor;
    assert.ok(state.cursor >= expected, 'never back without a rewind');
    for (; expected < state.cursor; expected++) assert.ok(store.log.get(expected), `event ${expected} is there`);
  });
  store.open();
  /** @type {import('../../static/player-store.js').Command[]} */
  const presses = [
    { type: 'seek', tMs: 9000 }, { type: 'speed', speed: 16 }, { type: 'step', by: 1, unit: 'event' }, { type: 'play' }, { type: 'next', kind: 'turn' },
    { type: 'seek-by', ms: -5000 }, { type: 'pace', pace: null }, { type: 'toggle' }, { type: 'previous', kind: 'turn' }, { type: 'toggle' }, { type: 'pace', pace: 'reading' },
    { type: 'seek', tMs: 120_000 }, { type: 'go-to', seq: 12 }, { type: 'speed', speed: 'max' }, { type: 'play' },
  ];
  for (const press of presses) {
    await settle();
    clock.pass(700);
    await settle();
    store.dispatch(press);
  }
  for (let turn = 0; turn < 20; turn++) {
    await settle();
    clock.pass(50);
  }

  assert.equal(store.getState().cursor, 60);
  assert.ok(store.atEnd());
  assert.equal(store.getState().connection.status, 'open');
  store.close();
});

test('what was cut is read when it is asked for; what is not there is an error', async () => {
  const { api } = packed([0]);

  assert.equal(await (await api.text('/api/sessions/s/events/0/parts/0')).text(), 'part-1-0part-1-1');
  await assert.rejects(api.text('/api/sessions/s/events/9/parts/0'), /does not hold/);
  await assert.rejects(api.session('other'), /no such session/);
});

test('a search finds every word in one event, without case and accents', async () => {
  const { api } = packed([0, 1, 2, 3, 4], { texts: { 1: 'The Café by the pier', 3: 'a cafe, no p i e r', 4: `${'x'.repeat(100)} PIER and CAFE` } });
  const { hits } = await api.hits('s', { q: 'cafe  PIER', limit: 10 });

  assert.deepEqual(hits.map((hit) => hit.seq), [1, 4]);
  assert.equal(hits[0]?.snippet.find((piece) => piece.match)?.text.toLowerCase().slice(0, 3), 'caf');
  assert.equal(hits[1]?.snippet[0]?.text[0], '…');
  assert.equal((await api.hits('s', { q: 'text', limit: 1 })).hits.length, 1);
  assert.deepEqual((await api.hits('s', { q: ' ', limit: 1 })).hits, []);
});

test('a search decodes only what can hold it, and numbers messages as without meta events', async () => {
  const { api } = packed([0, 1, 2, 3, 4, 5, 6], { meta: [1], texts: { 2: 'say "what\'s up"', 6: 'Größe' } });

  assert.deepEqual((await api.hits('s', { q: 'what\'s', limit: 9 })).hits.map((hit) => hit.seq), [1]);
  assert.deepEqual((await api.hits('s', { q: '"what', limit: 9 })).hits.map((hit) => hit.seq), [1]);
  assert.deepEqual((await api.hits('s', { q: 'grosse', limit: 9 })).hits, []);
  assert.deepEqual((await api.hits('s', { q: 'große', limit: 9 })).hits.map((hit) => [hit.seq, hit.t_ms]), [[5, 6]]);
  assert.deepEqual((await api.hits('s', { q: 'message_completed', limit: 9 })).hits, []);
});

test('of very many tools some are marked, and a step finds the others', async () => {
  const times = Array.from({ length: 5_000 }, (_, seq) => seq);
  const markers = times.map((seq) => /** @type {[number, string]} */ ([seq, seq % 1000 === 0 ? 'turn' : 'tool']));
  const timeline = packed(times, { markers }).pack.timeline();

  assert.deepEqual(timeline.left_out, ['tool']);
  assert.equal(timeline.markers.filter((each) => each.kind === 'tool').length, 2_000);
  assert.equal(timeline.markers.filter((each) => each.kind === 'turn').length, 5);
  const { control } = await listening(times, 'mode=realtime&paused=true&start_seq=7', { markers });
  assert.equal((await control({ step: { by: 1, unit: 'tool' } })).seq, 8);
  assert.deepEqual(packed([0, 1], { markers: [[0, 'tool']] }).pack.timeline().left_out, []);
});

test('all gaps and turns are to be had in tables too, and the labels of turns in pages', async () => {
  const { api } = packed([0, 5_000, 5_001, 9_000], { markers: [[0, 'turn'], [1, 'tool'], [2, 'turn']] });

  assert.deepEqual([...(await api.table('s', 'gaps'))], [[0, 5_000], [5_001, 9_000]]);
  assert.deepEqual([...(await api.table('s', 'turns'))], [[0, 0], [2, 5_001]]);
  const { turns, total } = await api.turns('s', { start: 1, limit: 9 });
  assert.deepEqual([turns.map(({ number, seq, t_ms }) => [number, seq, t_ms]), total], [[[2, 2, 5_001]], 2]);
  assert.deepEqual(turns.map(({ stop_seq, spent }) => [stop_seq, spent?.tokens?.read]), [[4, 2]]);
});

test('how long is left to read is known in a file too, of the messages that are numbered', () => {
  const { pack } = packed([0, 10, 20, 30], { meta: [1] });
  assert.deepEqual(pack.timeline().reading, { every: 1, ms: [READING_MS, READING_MS, READING_MS] });
  assert.equal(pack.timeline(true).reading?.ms.length, 4);

  const many = packed(Array.from({ length: 4_001 }, (_, seq) => seq)).pack.timeline().reading;
  assert.equal(many?.every, 3);
  assert.equal(many?.ms.length, 1_334);
  assert.equal(many?.ms.at(-1), 2 * READING_MS, 'the last are fewer');
});

test('a later search ends the one before it', async () => {
  const { api, asked } = packed(Array.from({ length: 300 }, (_, seq) => seq));
  const first = api.hits('s', { q: 'absent', limit: 9 });
  const second = api.hits('s', { q: 'text 299', limit: 9 });

  await assert.rejects(first, { name: 'AbortError' });
  assert.deepEqual((await second).hits.map((hit) => hit.seq), [299]);
  assert.ok(asked.length <= 102, 'the first did not go on');
});

test('only the blocks that are needed are unpacked, each once while it is in use', async () => {
  const { api, asked } = packed(Array.from({ length: 30 }, (_, seq) => seq));

  const page = await api.events('s', { start_seq: 10, limit: 5 });
  assert.deepEqual(page.events.map((each) => each.seq), [10, 11, 12, 13, 14]);
  assert.equal(page.next_seq, 15);
  assert.deepEqual(asked, ['contents', 'events-3', 'events-4']);
});

test('a file holds the sessions that its own one started, each in blocks of its own', async () => {
  const session = (/** @type {string} */ id, /** @type {string | null} */ parent) =>
    /** @type {any} */ ({ scroll_id: id, title: id, native_session_id: null, connector_uid: null, parent_scroll_id: parent, parent_call_id: parent && `call of ${id}` });
  const entries = [
    { blocks: '0-', session: session('main', null) }, { blocks: '1-', session: session('one', 'main') },
    { blocks: '2-', session: session('deep', 'one') }, { blocks: '3-', session: session('two', 'main') },
  ];
  /** @type {string[]} */
  const asked = [];
  const read = async (/** @type {string} */ name) => {
    asked.push(name);
    const [, number, block] = /^(\d)-(.*)$/.exec(name) ?? [];
    if (block === 'contents') return JSON.stringify({ times: [0], reading: [0], meta: [], starts: [0], markers: [], parts: { '/api/sessions/two/events/0/parts/0': ['part-0-0'] } });
    return block === 'events-0' ? line(0, `said in ${number}`) : `whole of ${number}`;
  };
  const packs = new Packs(entries, read);
  const api = createOfflineApi(packs);
  const said = async (/** @type {string} */ id) => JSON.stringify((await api.events(id, { start_seq: 0, limit: 9 })).events);

  assert.equal((await packs.first()).session.scroll_id, 'main');
  assert.equal(packs.pack('absent'), null);
  assert.deepEqual([...(await childrenOf(api, 'main', new AbortController().signal)).entries()].map(([call, { scroll_id }]) => [call, scroll_id]), [['call of one', 'one'], ['call of two', 'two']]);
  assert.deepEqual(asked, ['0-contents'], 'nothing is unpacked before it is opened');
  assert.match(await said('deep'), /said in 2/);
  assert.match(await said('two'), /said in 3/);
  assert.equal(await (await api.text('/api/sessions/two/events/0/parts/0')).text(), 'whole of 3');
  await assert.rejects(api.text('/api/sessions/one/events/0/parts/0'), /does not hold/);
  assert.equal((await api.session('one')).parent_scroll_id, 'main');
  assert.deepEqual(asked.filter((name) => name.startsWith('1')), ['1-contents']);
});
