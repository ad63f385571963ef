/**
 * Events to nodes. One switch on the type of a part; whatever is unknown or broken is shown as folded JSON, so that a
 * new kind of event never breaks an old page.
 *
 * A context carries what outlives one event: which calls wait for their results. Make a fresh one to render from
 * scratch; rendering an event twice in one context is harmless, in whatever order.
 */

import { el, icon } from '../dom.js';
import { clock, compactNumber, dateTime, oneLine, safeText } from '../format.js';
import { renderCode } from './code.js';
import { folded } from './fold.js';
import { renderImage } from './image.js';
import { foldedJson, jsonBlock } from './json.js';
import { markdown, renderText, unmarked } from './markdown.js';
import { renderPlan } from './plan.js';
import { renderResource } from './resource.js';
import { renderThinking } from './thinking.js';
import { entriesOf } from './todo.js';
import { renderToolCall } from './tool-call.js';
import { inputOf } from './tool-input.js';
import { renderToolResult } from './tool-result.js';
import { renderUnknown } from './unknown.js';
import { hasOwnWords, renderUserText } from './user-text.js';

/** @typedef {import('../protocol.js').Envelope} Envelope */
/** @typedef {import('../protocol.js').Message} Message */
/** @typedef {import('../protocol.js').MetaEvent} MetaEvent */
/** @typedef {import('../protocol.js').Part} Part */
/** @typedef {import('./tool-call.js').ToolCallHandle} ToolCallHandle */

/** Where a part stands; in the lane of a sub-agent, in which. @typedef {{seq: number, t_ms: number, index: number, lane?: string}} Place */

/** A call, and where it stands. @typedef {{part: import('../protocol.js').ToolCallPart, place: Place}} FarCall */

/**
 * @typedef {Object} Context
 * @property {Map<string, ToolCallHandle>} calls  by call id, the newest of each
 * @property {Map<string, Map<string, {part: import('../protocol.js').ToolResultPart, place: Place, orphan: HTMLElement | null}>>} results
 *   by call id and place
 * @property {{seq: number, index: number, lane: string, entries: import('./plan.js').Entry[]}[]} plans  in order
 * @property {(part: Part, context: Context, place: Place) => HTMLElement | null} renderPart
 * @property {(href: string) => Promise<Blob>} fetchText  the text at one of our server's addresses
 * @property {(tMs: number, seq: number) => void} [onSeek]  times become buttons that call this
 * @property {(picture: HTMLImageElement) => void} [onOpenImage]  in place of the dialog of image.js
 * @property {(callId: string) => import('../protocol.js').SessionSummary | null} [childOf]  the session that a call
 *   started
 * @property {(child: import('../protocol.js').SessionSummary) => { node: HTMLElement, close: () => void }} [openLane]
 *   shows that session in place
 * @property {(callId: string, place: Place, context: Context) => FarCall | null} [findCall]  a call that is not drawn, as
 *   far as it is at hand; whoever finds it later tells `adoptCall`
 * @property {boolean} [inLane]  whether all of it is a subagent's: then whoever asks is the agent above it
 * @property {() => boolean} [thinkingOpen]  whether thoughts are shown unfolded
 * @property {string} [sessionTitle]
 */

/** @typedef {Omit<Context, 'calls' | 'results' | 'plans' | 'renderPart'>} ContextOptions */

/**
 * @param {ContextOptions} options
 * @returns {Context}
 */
export function createContext(options) {
  return { ...options, calls: new Map(), results: new Map(), plans: [], renderPart };
}

/**
 * Renders one event.
 *
 * @param {Envelope} envelope
 * @param {Context} context
 * @returns {{node: HTMLElement | null}} `null` when all of it went into the cards of earlier calls
 */
export function renderMessage(envelope, context) {
  const { event } = envelope;
  switch (event.type) {
    case 'message_completed':
      return { node: messageNode(envelope, event.message, context) };
    case 'meta_event':
      return { node: metaNode(envelope, event.meta_event, context) };
    default:
      return { node: row(envelope, context, 'msg-meta', [el('div', { class: 'part part-unknown' }, foldedJson('unknown event', event))]) };
  }
}

/**
 * Renders one part.
 *
 * @param {Part} part
 * @param {Context} context
 * @param {Place} [place]
 * @returns {HTMLElement | null} `null` where there is nothing to see, or a result went into its call's card
 */
export function renderPart(part, context, place = { seq: 0, t_ms: 0, index: 0 }) {
  try {
    switch (part.type) {
      case 'text':
        return renderText(part, context);
      case 'thinking':
        return renderThinking(part, context);
      case 'code':
        return renderCode(part, context);
      case 'tool_call':
        return renderToolCall(part, context, place);
      case 'tool_result':
        return renderToolResult(part, context, place);
      case 'image':
        return renderImage(part, context);
      case 'resource':
        return renderResource(part, context);
      case 'plan':
        return renderPlan(part, context, place);
      default:
        return renderUnknown(part, context);
    }
  } catch {
    // A part that is not of the shape its type promises.
    return renderUnknown(part, context);
  }
}

/**
 * Forgets events that are no longer there, so that cards whose results went wait again.
 *
 * @param {Iterable<number>} seqs
 * @param {Context} context
 */
export function forget(seqs, context) {
  const gone = new Set(seqs);
  context.plans = context.plans.filter((each) => !gone.has(each.seq));
  for (const [id, results] of context.results) {
    for (const [key, { place }] of results) if (gone.has(place.seq)) results.delete(key);
    if (results.size === 0) context.results.delete(id);
  }
  for (const [id, newest] of context.calls) {
    /** @type {ToolCallHandle[]} */
    const kept = [];
    for (let each = /** @type {ToolCallHandle | undefined} */ (newest); each; each = each.previous) if (!gone.has(each.place.seq)) kept.push(each);
    kept.forEach((each, index) => {
      each.previous = kept[index + 1];
      each.unsettle(gone);
    });
    if (kept[0]) context.calls.set(id, kept[0]);
    else context.calls.delete(id);
  }
}

/**
 * Says on every card that still waits that no result came: the session ended, or went on without it.
 *
 * @param {Context} context
 * @param {number} [beforeSeq]  only cards of events before this one
 */
export function endRunning(context, beforeSeq = Infinity) {
  for (const newest of context.calls.values()) {
    for (let each = /** @type {ToolCallHandle | undefined} */ (newest); each; each = each.previous) {
      if (each.place.seq < beforeSeq) each.stop();
    }
  }
}

/**
 * Draws the heads of these calls' cards anew: the sessions that they started are known by now.
 *
 * @param {Iterable<string>} ids
 * @param {Context} context
 */
export function refreshCalls(ids, context) {
  for (const id of ids) {
    for (let card = context.calls.get(id); card; card = card.previous) card.refresh();
  }
}

// ----------------------------------------------------------------------------------------------------- messages

/** @typedef {'person' | 'assistant' | 'system' | 'tool'} Speaker */

const NAMES = { person: 'User', assistant: 'Assistant', system: 'System', tool: 'Tool' };
/** @type {Record<Speaker, import('../dom.js').IconName>} */
const ICONS = { person: 'user', assistant: 'agent', system: 'system', tool: 'tool' };

/** System text longer than this is folded. */
const NOTICE_CHARS = 240;

/** @param {Envelope} envelope @param {Message} message @param {Context} context @returns {HTMLElement | null} */
function messageNode(envelope, message, context) {
  const facts = factsOf(message);
  const content = Array.isArray(message.content) ? message.content : [];
  if (facts.compaction) return compactionNode(envelope, content, context);
  const speaker = speakerOf(message, facts, content);
  if (speaker === 'person' && facts.lane === null) endRunning(context, envelope.seq);
  const nodes = content.map((part, index) => {
    if (part?.type === 'plan' && showsPlan(content[index - 1])) return null;
    return partOf(part, context, { seq: envelope.seq, t_ms: envelope.t_ms, index, ...(facts.lane !== null && { lane: facts.lane }) }, speaker);
  });
  const shown = nodes.filter((node) => node !== null);
  if (shown.length === 0 && content.length > 0 && content.every((part) => part?.type === 'tool_result')) return null;
  if (shown.length === 0) shown.push(el('p', { class: 'part is-empty', text: 'Empty message' }));

  const node = row(envelope, context, `msg-${speaker}`, [headNode(speaker, facts, context.inLane), el('div', { class: 'msg-body' }, ...shown)], message.created_at);
  if (facts.lane !== null) node.classList.add('is-sidechain', `lane-${laneOf(facts.lane)}`);
  if (speaker === 'assistant' && shown[0]?.matches('.tool, .part-plan')) node.classList.add('begins-with-card');
  if (facts.abandoned) node.classList.add('is-abandoned');
  if (facts.inherited) node.classList.add('is-inherited');
  return node;
}

/** Whether the plan beside a call is in the call's card already. @param {Part | undefined} part */
function showsPlan(part) {
  return part?.type === 'tool_call' && entriesOf(inputOf(part.input)).length > 0;
}

/** @param {Part} part @param {Context} context @param {Place} place @param {Speaker} speaker */
function partOf(part, context, place, speaker) {
  if (part?.type !== 'text' || typeof part.text !== 'string') return renderPart(part, context, place);
  if (speaker === 'person') return renderUserText(part, context);
  if (speaker === 'system' && part.text.length > NOTICE_CHARS) {
    return folded([el('span', { class: 'fold-name', text: 'Text' }), el('span', { class: 'fold-glance', text: oneLine(part.text, 160) })], () => [renderUserText(part, context)], { class: 'part fold-notice' });
  }
  return speaker === 'system' ? renderUserText(part, context) : renderPart(part, context, place);
}

/**
 * What a message's metadata says that its look depends on.
 *
 * @typedef {{role: string, lane: string | null, abandoned: boolean, inherited: boolean, compaction: boolean, model: string | null, tokens: number | null}} Facts
 */

/** @param {Message} message @returns {Facts} */
function factsOf({ role, metadata }) {
  const known = new Map(Object.entries(metadata ?? {}));
  const text = (/** @type {string} */ name) => (typeof known.get(name) === 'string' ? String(known.get(name)) : null);
  const usage = known.get('usage');
  const tokens = typeof usage === 'object' && usage !== null ? new Map(Object.entries(usage)).get('output_tokens') : undefined;
  return {
    role: text('archived_role') ?? role,
    lane: known.get('sidechain') ? text('agent_id') ?? 'sub-agent' : null,
    abandoned: Boolean(known.get('abandoned')),
    inherited: Boolean(known.get('inherited')),
    compaction: Boolean(known.get('compaction')),
    model: text('model'),
    tokens: typeof tokens === 'number' ? tokens : null,
  };
}

/** Who speaks: a person's turn is what people look for, so nothing else may look like one. @param {Message} message @param {Facts} facts @param {Part[]} content @returns {Speaker} */
function speakerOf({ role }, facts, content) {
  if (role === 'assistant') return 'assistant';
  if (facts.role === 'tool' || (content.length > 0 && content.every((part) => part?.type === 'tool_result'))) return 'tool';
  if (facts.role !== 'user') return 'system';
  const texts = content.filter((part) => part?.type === 'text');
  const onlyNotes = texts.length > 0 && texts.length === content.length && texts.every((part) => 'text' in part && typeof part.text === 'string' && part.text.trim() !== '' && !hasOwnWords(part.text));
  return onlyNotes ? 'system' : 'person';
}

/** @param {Speaker} speaker @param {Facts} facts @param {boolean} [inLane] */
function headNode(speaker, facts, inLane = facts.lane !== null) {
  // In a sub-agent's lane, it is the agent above that asks.
  const name = speaker === 'person' && inLane ? 'Prompt' : speaker === 'system' && facts.role !== 'system' && facts.role !== 'user' ? safeText(oneLine(facts.role, 30)) : NAMES[speaker];
  return el(
    'header', { class: 'msg-head' },
    el('h2', { class: 'msg-name' }, icon(ICONS[speaker]), name),
    facts.lane !== null && el('span', { class: 'msg-lane', title: `Sub-agent ${safeText(facts.lane)}` }, icon('branch'), `sub-agent ${safeText(oneLine(facts.lane, 16))}`),
    facts.abandoned && el('span', { class: 'msg-label', text: 'abandoned', title: 'The conversation was taken up again from before this' }),
    facts.inherited && el('span', { class: 'msg-label', text: 'from an earlier session' }),
    facts.model && el('span', { class: 'msg-model', text: safeText(oneLine(facts.model, 40)), ...(facts.tokens !== null && { title: `${compactNumber(facts.tokens)} tokens written` }) }),
  );
}

/** One of six lanes for a sub-agent, the same for its every message. @param {string} id */
function laneOf(id) {
  let sum = 0;
  for (let index = 0; index < id.length && index < 64; index += 1) sum = (sum * 31 + id.charCodeAt(index)) % 9973;
  return sum % 6;
}

/** @param {Envelope} envelope @param {Part[]} content @param {Context} context */
function compactionNode(envelope, content, context) {
  const text = content.map((part) => ('text' in part && typeof part.text === 'string' ? part.text : '')).join('\n').trim();
  const summary = text !== '' && folded([el('span', { class: 'fold-name', text: 'Summary' }), el('span', { class: 'fold-glance', text: oneLine(unmarked(text.slice(0, 600)), 100) })], () => [markdown(text)], { class: 'fold-note' });
  return row(envelope, context, 'msg-compaction', [el('h2', { class: 'divider' }, icon('fold'), 'Context compacted'), summary]);
}

/** @param {Envelope} envelope @param {MetaEvent} meta @param {Context} context */
function metaNode(envelope, meta, context) {
  const kind = safeText(oneLine(String(meta.kind).replace(/[_-]+/g, ' '), 60));
  const payload = meta.payload;
  const empty = payload === null || payload === undefined || (typeof payload === 'object' && Object.keys(payload).length === 0);
  const body = empty
    ? el('p', { class: 'meta-plain' }, icon('dots'), el('span', { class: 'fold-name', text: kind }))
    : folded([icon('dots'), el('span', { class: 'fold-name', text: kind }), el('span', { class: 'fold-glance', text: glance(payload) })], () => [jsonBlock(payload, { label: 'Payload' })], { class: 'fold-meta' });
  return row(envelope, context, 'msg-meta', [body], meta.created_at);
}

/** @param {unknown} payload */
function glance(payload) {
  if (typeof payload !== 'object' || payload === null) return oneLine(String(payload), 90);
  return oneLine(Object.entries(payload).slice(0, 6).map(([name, value]) => (typeof value === 'object' ? name : `${name}: ${String(value)}`)).join(' · '), 90);
}

/**
 * The frame of every event: its time in the margin, what it holds beside it.
 *
 * @param {Envelope} envelope
 * @param {Context} context
 * @param {string} name
 * @param {import('../dom.js').Child[]} children
 * @param {string} [createdAt]
 */
function row({ seq, t_ms }, context, name, children, createdAt = '') {
  const at = clock(t_ms);
  const title = createdAt ? dateTime(createdAt) : at;
  const { onSeek } = context;
  const time = onSeek
    ? el('button', { class: 'msg-time', text: at, title, attrs: { type: 'button', 'aria-label': `Go to ${at}` }, on: { click: () => onSeek(t_ms, seq) } })
    : el('span', { class: 'msg-time', text: at, title });
  return el('article', { class: `msg ${name}`, data: { seq: String(seq), tMs: String(t_ms) } }, el('div', { class: 'msg-gutter' }, time), el('div', { class: 'msg-main' }, ...children));
}
