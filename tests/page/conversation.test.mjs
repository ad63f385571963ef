import assert from 'node:assert/strict';
import { test } from 'node:test';

import { dangers, linesOf } from './page.mjs';
import { find } from '../../static/dom.js';
import { PlanList } from '../../static/renderers/plan.js';
import { adoptCall } from '../../static/renderers/tool-result.js';
import { planAt } from '../../static/views/plan-now.js';
import { createContext, endRunning, forget, renderMessage, renderPart } from '../../static/renderers/index.js';

/** @typedef {import('../../static/protocol.js').Envelope} Envelope */

const make = (options = {}) => createContext({ fetchText: async (/** @type {string} */ href) => new Blob([`whole of ${href}`]), ...options });

/** @param {number} seq @param {any} content @param {any} [message] @returns {Envelope} */
const event = (seq, content, message = {}) => ({
  type: 'event', seq, t_ms: seq * 1000,
  event: { type: 'message_completed', connector_id: '', message: { id: `m${seq}`, session_id: 's', role: 'assistant', created_at: '2026-01-01T00:00:00Z', status: 'completed', metadata: null, content, ...message } },
});
const call = (/** @type {string | null} */ id, name = 'Bash', /** @type {unknown} */ input = { command: 'ls' }) => ({ type: 'tool_call', call_id: id, name, kind: null, title: null, input });
const result = (/** @type {string | null} */ id, text = 'out', is_error = false) => ({ type: 'tool_result', call_id: id, output: [{ type: 'text', text }], is_error });
const USER = { role: 'user' };
/** @param {Element | null} node @param {string} selector */
const press = (node, selector) => find(/** @type {Element} */ (node), selector).click();
const settle = () => new Promise((resolve) => setTimeout(resolve, 0));
/** Waits for what a read of a blob brings. @param {() => boolean} isSo */
async function until(isSo) {
  for (let turns = 0; turns < 1000 && !isSo(); turns += 1) await settle();
}

test('a result is shown in the card of its call, and its own message is nothing', () => {
  const context = make();
  const { node } = renderMessage(event(0, [call('a')]), context);
  assert.match(node?.querySelector('.tool-state')?.textContent ?? '', /running/);
  assert.equal(renderMessage(event(3, [result('a', 'file.txt')], USER), context).node, null);
  assert.match(node?.querySelector('.tool-state')?.textContent ?? '', /3 s/);
  assert.deepEqual(linesOf(/** @type {Element} */ (node)), ['ls', 'file.txt']);
});

test('a failed call says so in a class, an icon and a word', () => {
  const context = make();
  const { node } = renderMessage(event(0, [call('a'), result('a', 'no', true)]), context);
  const card = node?.querySelector('.tool');
  assert.ok(card?.classList.contains('is-error'));
  assert.match(card?.querySelector('.tool-state')?.textContent ?? '', /failed/);
  assert.ok(card?.querySelector('.tool-state .icon-cross'));
});

test('a result without its call is shown on its own, until the call comes', () => {
  const context = make();
  const orphan = renderMessage(event(5, [result('a', 'late')], USER), context).node;
  assert.match(orphan?.textContent ?? '', /late/);
  const { node } = renderMessage(event(2, [call('a')]), context);
  assert.match(node?.textContent ?? '', /late/);
  assert.doesNotMatch(orphan?.textContent ?? '', /late/);
});

test('rendering events again, in any order, changes nothing', () => {
  const context = make();
  const events = [event(0, [call('a')]), event(1, [result('a', 'one')], USER), event(2, [call('a')]), event(3, [result('a', 'two')], USER)];
  for (const each of events) renderMessage(each, context);
  const [second, first] = [events[2], events[0]].map((each) => renderMessage(/** @type {Envelope} */ (each), context).node);
  assert.deepEqual(linesOf(/** @type {Element} */ (first)), ['ls', 'one']);
  assert.deepEqual(linesOf(/** @type {Element} */ (second)), ['ls', 'two']);
});

test('a card waits again when its result is forgotten', () => {
  const context = make();
  const { node } = renderMessage(event(0, [call('a')]), context);
  renderMessage(event(1, [result('a')], USER), context);
  forget([1], context);
  assert.match(node?.querySelector('.tool-state')?.textContent ?? '', /running/);
  const again = renderMessage(event(0, [call('a')]), context).node;
  assert.match(again?.querySelector('.tool-state')?.textContent ?? '', /running/);
  forget([0], context);
  assert.equal(context.calls.size, 0);
});

test('nothing waits past the next turn of a person, or the end', () => {
  const context = make();
  const { node } = renderMessage(event(0, [call('a')]), context);
  renderMessage(event(1, [{ type: 'text', text: 'sub-agent prompt' }], { ...USER, metadata: { sidechain: true, agent_id: 'x' } }), context);
  assert.match(node?.querySelector('.tool-state')?.textContent ?? '', /running/);
  renderMessage(event(2, [{ type: 'text', text: 'never mind' }], USER), context);
  assert.match(node?.querySelector('.tool-state')?.textContent ?? '', /no result/);
  const other = renderMessage(event(3, [call('b')]), context).node;
  endRunning(context);
  assert.match(other?.querySelector('.tool-state')?.textContent ?? '', /no result/);
});

test('a call without an id waits for nothing', () => {
  const context = make();
  const { node } = renderMessage(event(0, [call(null)]), context);
  assert.match(node?.querySelector('.tool-state')?.textContent ?? '', /no result/);
  assert.match(renderMessage(event(1, [result(null, 'x')], USER), context).node?.textContent ?? '', /x/);
});

for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
  test(`a tool, an id and fields called ${name} are like any other`, () => {
    const context = make();
    const input = JSON.parse(`{"${name}":"v","x":{"${name}":1}}`);
    const { node } = renderMessage(event(0, [call(name, name, input)]), context);
    assert.equal(node?.querySelector('.tool-name')?.textContent, name);
    assert.equal(renderMessage(event(1, [result(name)], USER), context).node, null);
    assert.match(node?.textContent ?? '', new RegExp(name));
    assert.equal(/** @type {any} */ ({}).v, undefined);
  });
}

test('who speaks is told apart', () => {
  const context = make();
  const look = (/** @type {any} */ content, /** @type {any} */ message) => renderMessage(event(9, content, message), context).node?.className ?? '';
  const text = [{ type: 'text', text: 'hi' }];
  assert.match(look(text, USER), /msg-person/);
  assert.match(look(text, {}), /msg-assistant/);
  assert.match(look(text, { ...USER, metadata: { archived_role: 'system' } }), /msg-system/);
  assert.match(look(text, { ...USER, metadata: { archived_role: 'tool' } }), /msg-tool/);
  assert.match(look([{ type: 'text', text: '<system-reminder>x</system-reminder>' }], USER), /msg-system/);
  assert.match(look(text, { metadata: { sidechain: true, agent_id: 'x' } }), /is-sidechain lane-\d/);
  assert.match(look(text, { metadata: { abandoned: true } }), /is-abandoned/);
  assert.match(look(text, { ...USER, metadata: { compaction: true } }), /msg-compaction/);
});

test('a meta event is one muted line', () => {
  const { node } = renderMessage({ type: 'event', seq: 1, t_ms: 0, event: { type: 'meta_event', connector_id: '', meta_event: { id: 'x', session_id: 's', kind: 'mode_change', created_at: '', payload: { mode: 'plan' } } } }, make());
  assert.match(node?.className ?? '', /msg-meta/);
  assert.match(node?.textContent ?? '', /mode change.*mode: plan/);
});

for (const part of [
  { type: 'hologram', beams: 3 }, { type: 'unknown', raw: { type: 'video' } }, { type: 'text' }, { type: 'tool_call', call_id: 'x' }, { type: 'tool_result', call_id: 'x', output: 'no list', is_error: false },
  { type: 'image' }, { type: 'plan', entries: null }, { type: 'resource' }, { type: 'code' }, null, 7, {},
]) {
  test(`the part ${JSON.stringify(part)} is shown as folded JSON`, () => {
    const node = renderPart(/** @type {any} */ (part), make());
    assert.ok(node?.querySelector('details'));
  });
}

test('an event of an unknown type is shown as folded JSON', () => {
  const envelope = /** @type {any} */ ({ type: 'event', seq: 1, t_ms: 0, event: { type: 'telepathy', strength: 3 } });
  assert.match(renderMessage(envelope, make()).node?.textContent ?? '', /telepathy/);
});

test('a cut text is shown, and all of it on request', async () => {
  const node = renderPart({ type: 'text', text: 'beginning', truncated: { bytes: 1_234_567, href: '/api/sessions/a/events/1/parts/0' } }, make());
  const button = /** @type {HTMLElement} */ (node?.querySelector('.more-button'));
  assert.equal(button.textContent, 'Show all (1.2 MB)');
  button.click();
  await settle();
  assert.equal(node?.textContent, 'whole of /api/sessions/a/events/1/parts/0');
});

/** @param {string} text  the whole of a part, of which the first piece is asked for */
async function leafed(text) {
  const context = make({ fetchText: async () => new Blob([text]) });
  const node = /** @type {Element} */ (renderPart({ type: 'code', language: null, text: '-', truncated: { bytes: text.length, href: '/api/sessions/a/events/1/parts/0' } }, context));
  press(node, '.cut-bar .more-button');
  await until(() => node.querySelectorAll('.cut-bar .more-button').length === 2);
  const [before, after] = /** @type {HTMLButtonElement[]} */ ([...node.querySelectorAll('.cut-bar .more-button')]);
  const note = () => node.querySelector('.cut-note')?.textContent;
  /** @param {HTMLButtonElement | undefined} button */
  const turn = async (button) => {
    const was = note();
    button?.click();
    await until(() => note() !== was);
  };
  return { node, before, after, turn };
}

test('a long text is leafed through, a bounded piece of whole lines at a time', async () => {
  const lines = Array.from({ length: 60_000 }, (_, index) => `line ${index} of größe 東京`);
  const { node, before, after, turn } = await leafed(lines.join('\n'));
  const first = () => Number(/^line (\d+)/.exec(node.querySelector('.line')?.textContent ?? '')?.[1]);
  const held = () => Number(/([\d,]+) lines/.exec(node.querySelector('.block-more')?.textContent ?? '')?.[1]?.replace(',', ''));
  const firsts = [first()];
  let total = held();
  while (!after?.disabled && firsts.length < 100) {
    await turn(after);
    assert.equal(first(), total); // no line is missing, none comes twice
    firsts.push(first());
    total += held();
  }
  assert.equal(total, lines.length);
  assert.ok(firsts.length > 3);
  await turn(before);
  assert.equal(first(), firsts.at(-2));
  assert.ok(node.querySelectorAll('.line').length < 100);
});

test('a line longer than a piece is cut between characters', async () => {
  const { node, after, turn } = await leafed('東'.repeat(300_000));
  let turns = 0;
  for (; !after?.disabled && turns < 10; turns += 1) {
    await turn(after);
    assert.doesNotMatch(node.textContent ?? '', /\ufffd/);
  }
  assert.equal(turns, 3);
});

test('a cut text is fetched from nowhere else', async () => {
  /** @type {string[]} */
  const asked = [];
  const context = make({ fetchText: async (/** @type {string} */ href) => (asked.push(href), new Blob(['x'])) });
  const node = renderPart({ type: 'text', text: 'a', truncated: { bytes: 9, href: 'https://evil.example/' } }, context);
  press(node, '.more-button');
  await settle();
  assert.deepEqual(asked, []);
  assert.match(node?.textContent ?? '', /could not be loaded/);
});

test('a cut result is fetched whole into its card', async () => {
  const context = make();
  const { node } = renderMessage(event(0, [call('a'), { type: 'tool_result', call_id: 'a', is_error: false, output: [{ type: 'text', text: 'beg', truncated: { bytes: 5000, href: '/api/sessions/a/events/0/parts/1/output/0' } }] }]), context);
  press(node, '.tool-body .more-button');
  await settle();
  assert.match(node?.textContent ?? '', /whole of/);
});

for (const [name, input, output, expected] of /** @type {[string, unknown, string, RegExp][]} */ ([
  ['Bash', { command: 'ls' }, 'Exit code 2\nnope', /exit 2/], ['shell', { command: ['bash', '-lc', 'pwd'] }, '{"output":"/x","metadata":{"exit_code":1}}', /exit 1.*pwd.*\/x/s],
  ['Edit', { file_path: 'a.py', old_string: 'x = 1', new_string: 'x = 2' }, 'ok', /a\.py\+1−1/], ['apply_patch', '*** Begin Patch\n*** Add File: n.md\n+hi\n*** End Patch', 'ok', /n\.md.*new file/s],
  ['Write', { file_path: 'n.py', content: 'a\nb' }, 'ok', /n\.py\+2/], ['Read', { file_path: 'n.py' }, '     7→import os\n     8→', /2 lines.*import os/s], ['Grep', { pattern: 'x', path: 'src' }, 'src/a.py:3:  x', /x in src.*1 line/s],
  ['TodoWrite', { todos: [{ content: 'a', status: 'completed' }, { content: 'b', status: 'pending' }] }, 'ok', /1 of 2 done/], ['WebFetch', { url: 'https://x.example/' }, '# T', /x\.example/],
  ['spawn_agent', { prompt: 'go' }, '{"agent_id":"x"}', /"agent_id": "x"/], ['mcp__git__log', { n: 3 }, '{"a":1}', /loggit.*"a": 1/s], ['Bash', { unexpected: true }, 'out', /unexpected/], ['Edit', 'not an edit', 'out', /not an edit/],
])) {
  test(`a call of ${name} with ${JSON.stringify(input).slice(0, 50)} shows ${expected}`, () => {
    const { node } = renderMessage(event(0, [call('a', name, input), result('a', output)]), make());
    assert.match(node?.textContent ?? '', expected);
  });
}

test('the raw switch shows the call and its result as JSON', () => {
  const { node } = renderMessage(event(0, [call('a'), result('a')]), make());
  press(node, '.tool-raw');
  assert.match(node?.querySelector('.tool-body')?.textContent ?? '', /"call_id": "a"/);
});

const HOSTILE = '<script>alert(1)</script><img src=x onerror=alert(1)> [x](javascript:alert(1)) \u202Egnp\u202C <svg onload=alert(1)>';
test('hostile text is text, wherever it stands', () => {
  const context = make();
  const parts = [
    { type: 'text', text: HOSTILE }, { type: 'thinking', text: HOSTILE }, { type: 'code', language: HOSTILE, text: HOSTILE }, { ...call('a', HOSTILE, { command: HOSTILE, [HOSTILE]: HOSTILE }), title: HOSTILE, kind: 'execute' }, result('a', HOSTILE, true),
    call('b', 'WebFetch', { url: 'javascript:alert(1)', prompt: HOSTILE }), call('c', 'Edit', { file_path: HOSTILE, old_string: HOSTILE, new_string: `${HOSTILE}x` }), call('d', 'TodoWrite', { todos: [{ content: HOSTILE, status: HOSTILE }] }),
    { type: 'image', mime_type: HOSTILE, data: HOSTILE }, { type: 'image', mime_type: 'image/png', uri: 'javascript:alert(1)' }, { type: 'resource', uri: 'javascript:alert(1)', mime_type: HOSTILE, text: HOSTILE },
    { type: 'plan', entries: [{ content: HOSTILE, status: HOSTILE, priority: HOSTILE }] }, { type: 'unknown', raw: { type: HOSTILE } },
  ];
  for (const message of [{}, { ...USER, metadata: { archived_role: HOSTILE } }, { ...USER, metadata: { sidechain: true, agent_id: HOSTILE } }, { metadata: { model: HOSTILE } }]) {
    const { node } = renderMessage(event(0, parts, message), context);
    assert.deepEqual(dangers(/** @type {Element} */ (node)), []);
    assert.doesNotMatch(node?.textContent ?? '', /[\u202a-\u202e]/);
  }
});

for (const [name, parts] of /** @type {[string, any[]][]} */ ([
  ['output', [call('a'), result('a', 'y'.repeat(1_000_000))]], ['a command', [call('a', 'Bash', { command: 'z'.repeat(1_000_000) })]], ['an argument', [call('a', 'Custom', { x: 'z'.repeat(1_000_000) })]],
  ['code', [{ type: 'code', language: 'python', text: 'z'.repeat(1_000_000) }]], ['an edit', [call('a', 'Edit', { file_path: 'x.py', old_string: 'a'.repeat(500_000), new_string: 'b'.repeat(500_000) })]], ['a resource', [{ type: 'resource', uri: 'file:///x', text: 'z'.repeat(1_000_000) }]],
])) {
  test(`a megabyte in one line of ${name} puts little into the page, quickly`, () => {
    const started = performance.now();
    const { node } = renderMessage(event(0, parts), make());
    assert.ok(performance.now() - started < 500);
    assert.ok((node?.textContent ?? '').length < 20_000);
  });
}

test('long output is clipped, and all of it is there on request', () => {
  const { node } = renderMessage(event(0, [call('a'), result('a', Array.from({ length: 5000 }, (_, at) => `line ${at}`).join('\n'))]), make());
  const more = /** @type {HTMLElement} */ (node?.querySelector('.terminal-output .block-more'));
  const words = () => more.textContent;
  assert.equal(words(), 'Show all 5,000 lines');
  for (let clicks = 0; words() !== 'Show less'; clicks += 1) {
    assert.ok(clicks < 5);
    more.click();
  }
  assert.equal(linesOf(/** @type {Element} */ (node?.querySelector('.terminal-output'))).length, 5000);
});

test('times lead to their moment', () => {
  /** @type {number[][]} */
  const sought = [];
  const { node } = renderMessage(event(4, [{ type: 'text', text: 'a' }]), make({ onSeek: (/** @type {number} */ at, /** @type {number} */ seq) => sought.push([at, seq]) }));
  press(node, 'button.msg-time');
  assert.deepEqual(sought, [[4000, 4]]);
});

const plan = (/** @type {string} */ states) => ({ todos: [...states].map((state, at) => ({ content: `step ${at}`, status: { d: 'completed', a: 'in_progress', o: 'pending' }[state] })) });
const entriesIn = (/** @type {Element | null} */ node) => [...(node?.querySelectorAll('.plan-entry') ?? [])].map((entry) => entry.textContent);

test('a later list says what changed since the one before, and holds all of it', () => {
  const context = make();
  const first = renderMessage(event(0, [call('a', 'TodoWrite', plan('aoo'))]), context).node;
  assert.deepEqual(entriesIn(first), ['step 0', 'step 1', 'step 2']);
  const second = renderMessage(event(1, [call('b', 'update_plan', plan('dao'))]), context).node;
  assert.deepEqual(entriesIn(second), ['step 0', 'step 1']);
  assert.match(second?.querySelector('.plan-whole')?.textContent ?? '', /whole list.*1 of 3 done/i);
  assert.match(renderMessage(event(2, [call('c', 'TodoWrite', plan('dao'))]), context).node?.textContent ?? '', /Nothing has changed/);
  const fewer = renderMessage(event(3, [{ type: 'plan', entries: [{ content: 'step 0', status: 'completed' }] }]), context).node;
  assert.deepEqual([...(fewer?.querySelectorAll('.is-dropped') ?? [])].map((entry) => entry.textContent), ['step 1', 'step 2']);
});

test("a subagent's list is another one, and one that was taken back never was", () => {
  const context = make();
  renderMessage(event(0, [call('a', 'TodoWrite', plan('aoo'))]), context);
  const lane = renderMessage(event(1, [call('b', 'TodoWrite', plan('doo'))], { metadata: { sidechain: true, agent_id: 'x' } }), context).node;
  assert.equal(entriesIn(lane).length, 3);
  forget([0], context);
  assert.equal(entriesIn(renderMessage(event(2, [call('c', 'TodoWrite', plan('doo'))]), context).node).length, 3);
});

test('the plan beside the call that made it is shown once', () => {
  const entries = [{ content: 'step 0', status: 'pending', priority: null }];
  const { node } = renderMessage(event(0, [call('a', 'TodoWrite', plan('o')), { type: 'plan', entries }]), make());
  assert.deepEqual(entriesIn(node), ['step 0']);
  assert.equal(renderMessage(event(1, [call('b', 'TaskUpdate', { id: 1 }), { type: 'plan', entries }]), make()).node?.querySelectorAll('.part-plan').length, 1);
});

test('what a card shows of its call stays the same element when the result comes', () => {
  const context = make();
  for (const [name, input] of /** @type {[string, unknown][]} */ ([['Bash', { command: 'make' }], ['Edit', { file_path: 'a.py', old_string: 'a', new_string: 'b' }], ['Write', { file_path: 'a.py', content: 'x' }], ['mcp__a__b', { q: 'words' }], ['TodoWrite', plan('ao')]])) {
    const { node } = renderMessage(event(0, [call(name, name, input)]), context);
    const shown = [...(node?.querySelectorAll('.tool-body .line, .plan-entry, .tool-summary, .tool-symbol .icon') ?? [])];
    assert.ok(shown.length > 1, name);
    renderMessage(event(1, [result(name, 'said')], USER), context);
    for (const each of shown) assert.ok(node?.contains(each), name);
  }
});

test('a list that changes in place keeps the elements of its entries', () => {
  const list = new PlanList();
  list.update([{ content: 'a', status: 'pending' }, { content: 'b', status: 'pending' }, { content: 'b', status: 'done' }]);
  const [a, b] = list.node.children;
  list.update([{ content: 'new', status: 'pending' }, { content: 'b', status: 'done' }, { content: 'a', status: 'in_progress', priority: 'high' }]);
  assert.deepEqual([...list.node.children].map((each) => `${each.textContent} ${each.className}`), ['new plan-entry is-open', 'b plan-entry is-done', 'ahigh plan-entry is-active']);
  assert.equal(list.node.children[1], b);
  assert.equal(list.node.children[2], a);
});

test('the plan that holds is the last one before the position', () => {
  const events = [event(0, [{ type: 'plan', entries: [{ content: 'a', status: 'done' }] }]), event(1, [{ type: 'text', text: 'x' }]), event(2, [{ type: 'plan', entries: [{ content: 'sub', status: 'done' }] }], { metadata: { sidechain: true } })];
  assert.equal(planAt((seq) => events[seq] ?? null, 0, 3)?.seq, 0);
  assert.equal(planAt((seq) => events[seq] ?? null, 1, 3), null);
  assert.equal(planAt(() => null, 0, 3), undefined);
});

test('a result whose call is not drawn is shown in the card of that call, found now or later', () => {
  const far = { part: /** @type {any} */ (call('a', 'Bash', { command: 'make' })), place: { seq: 2, t_ms: 2000, index: 0 } };
  const there = renderMessage(event(90, [result('a', 'made')], USER), make({ findCall: () => far })).node;
  assert.deepEqual(linesOf(/** @type {Element} */ (there)), ['make', 'made']);
  assert.match(there?.querySelector('.tool-state')?.textContent ?? '', /1 min 28 s/);

  const context = make({ findCall: () => null });
  const later = renderMessage(event(90, [result('a', 'made')], USER), context).node;
  assert.match(later?.textContent ?? '', /not shown here/);
  adoptCall('a', far, context);
  assert.deepEqual(linesOf(/** @type {Element} */ (later)), ['make', 'made']);
  const { node } = renderMessage(event(2, [call('a', 'Bash', { command: 'make' })]), context);
  assert.deepEqual(linesOf(/** @type {Element} */ (node)), ['make', 'made']);
  assert.equal(later?.querySelector('.tool'), null);
});

test('colours in what a search found are colours', () => {
  const context = make();
  const { node } = renderMessage(event(0, [call('c', 'Grep', { pattern: 'x' })]), context);
  renderMessage(event(1, [result('c', 'a.py:\u001b[32m1\u001b[0m: x')]), context);

  assert.deepEqual(linesOf(/** @type {Element} */ (node)), ['a.py:1: x']);
  assert.equal(node?.querySelector('.ansi-fg-2')?.textContent, '1');
});

test('a change that a result tells is shown as one, once', () => {
  const context = make();
  const told = { type: 'unknown', raw: { type: 'diff', path: '/a/told.py', oldText: 'one\ntwo', newText: 'one\nthree' } };
  const made = { type: 'unknown', raw: { type: 'diff', path: '/a/new.py', oldText: null, newText: 'x' } };
  const other = { type: 'unknown', raw: { type: 'terminal', terminalId: 't' } };
  const silent = { ...call('c', 'edit', {}), kind: 'edit' };
  const telling = { ...call('d', 'edit', { path: '/a/told.py', oldText: 'two', newText: 'three' }), kind: 'edit' };
  const { node } = renderMessage(event(0, [silent, telling]), context);
  renderMessage(event(1, [{ ...result('c'), output: [told, made, other] }, { ...result('d'), output: [told] }]), context);
  const [first, second] = node?.querySelectorAll('.tool') ?? [];

  assert.equal(first?.querySelectorAll('.diff').length, 2);
  assert.match(first?.textContent ?? '', /2 files.*told\.py.*new\.py.*new file/);
  assert.equal(first?.querySelectorAll('.part-unknown').length, 1, 'what is no change stays');
  assert.equal(second?.querySelectorAll('.diff').length, 1);
  assert.equal(second?.querySelectorAll('.part-unknown').length, 0);
});

for (const [name, asked, answer, lines, badges] of /** @type {[string, any, string, string[], string][]} */ ([
  ['a terminal of OpenHands', call('c', 'terminal', { command: 'ls' }), 'a.py\n[The command completed with exit code 2.]\n[Current working directory: /x]\n[Python interpreter: /y]\n[Command finished with exit code 2]', ['ls', 'a.py'], 'exit 2'],
  ['a terminal that is typed into', call('c', 'bash_command', { keystrokes: 'ls src\n', duration: 0.2 }), 'bridge.py', ['ls src', 'bridge.py'], ''],
  ['an editor that says what it ran', call('c', 'str_replace_editor', { command: 'view', path: '/a.py' }), "Here's the result of running `cat -n` on /a.py:\n     7\tx = 1\n     8\ty = 2\n", ['x = 1', 'y = 2'], '2 lines'],
])) {
  test(`what tools wrap around their answers is told apart: ${name}`, () => {
    const context = make();
    const { node } = renderMessage(event(0, [{ ...asked, kind: name.includes('editor') ? 'read' : null }]), context);
    renderMessage(event(1, [result('c', answer)]), context);

    assert.deepEqual(linesOf(/** @type {Element} */ (node)), lines);
    assert.equal(node?.querySelector('.tool-badges')?.textContent, badges);
  });
}

test('a browser that is asked to click shows what it was asked', () => {
  const { node } = renderMessage(event(0, [{ ...call('c', 'web_browser_click', { element_id: 132 }), kind: 'fetch' }]), make());
  assert.match(node?.querySelector('.tool-body')?.textContent ?? '', /element_id.*132/);
});
