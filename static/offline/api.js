/**
 * The twin of `../api.js` for a file without a server: the same promises, kept out of the file itself.
 *
 * @import { Api } from '../api.js'
 * @import { Envelope, Gap, Hit, Part, SnippetPiece } from '../protocol.js'
 * @import { Pack, Packs } from './pack.js'
 */

import { ApiError } from '../api.js';
import { Pairs } from '../pairs.js';

/** So much of a text is shown on either side of what was found in it. */
const SNIPPET_CHARACTERS = 60;

/** @param {Packs} packs @returns {Api} */
export function createOfflineApi(packs) {
  let searching = new AbortController();
  const open = async (/** @type {string} */ scrollId) => {
    const pack = await packs.pack(scrollId);
    if (!pack) throw missing('This file holds no such session.');
    return pack;
  };
  return {
    sessions: async ({ parent, limit }) => {
      const sessions = packs.sessions.filter((each) => parent === undefined || each.parent_scroll_id === parent);
      return { sessions: sessions.slice(0, limit), next_cursor: null, total: sessions.length };
    },
    session: async (scrollId) => {
      const found = packs.sessions.find((each) => each.scroll_id === scrollId);
      if (!found) throw missing('This file holds no such session.');
      return found;
    },
    timeline: async (scrollId, _signal, { meta = false } = {}) => (await open(scrollId)).timeline(meta),
    table: async (scrollId, name, _signal, { meta = false } = {}) => {
      const pack = await open(scrollId);
      return Pairs.of(name === 'gaps' ? endsOf(pack.view(meta).gaps) : turnsIn(pack, meta).map(({ seq, t_ms }) => [seq, t_ms]));
    },
    turns: async (scrollId, { start, limit, meta = false }) => {
      const pack = await open(scrollId);
      const turns = turnsIn(pack, meta);
      return { epoch: pack.epoch, turns: turns.slice(start, start + limit), total: turns.length };
    },
    events: async (scrollId, { start_seq, limit, meta = false }) => {
      const pack = await open(scrollId);
      const view = pack.view(meta);
      const stop = Math.min(start_seq + limit, view.times.length);
      return { events: await pack.events(view, start_seq, stop), next_seq: stop < view.times.length ? stop : null };
    },
    hits: async (scrollId, { q, limit }) => {
      searching.abort(); // whoever types looks for something else by now
      searching = new AbortController();
      const { signal } = searching;
      return { hits: await search(await open(scrollId), q, limit, signal), complete: true };
    },
    facets: async () => ({ agents: [], projects: [], models: [] }),
    unrecognised: async () => ({ files: [], total: 0 }),
    answers: async () => true,
    text: async (href) => {
      const [, scrollId = ''] = /^\/api\/sessions\/([^/]+)\//.exec(href) ?? [];
      const text = (await (await packs.pack(scrollId))?.part(href)) ?? null;
      if (text === null) throw missing('This file does not hold the rest of it.');
      return new Blob([text]);
    },
  };
}

/** @param {readonly Gap[]} gaps @returns {[number, number][]} */
function endsOf(gaps) {
  return gaps.map(({ start_ms, end_ms }) => [start_ms, end_ms]);
}

/** @param {Pack} pack @param {boolean} meta */
function turnsIn(pack, meta) {
  const turns = pack.view(meta).markers.filter((each) => each.kind === 'turn');
  const ends = [...turns.slice(1).map((each) => each.seq), pack.view(meta).times.length];
  return turns.map(({ seq, t_ms, label }, index) => ({ number: index + 1, seq, stop_seq: ends[index] ?? 0, t_ms, label, spent: pack.spent[index] ?? null }));
}

/** @param {string} words */
function missing(words) {
  return new ApiError(404, 'not_found', words);
}

/**
 * The events in which every word is found, wherever each stands.
 *
 * @param {Pack} pack
 * @param {string} q
 * @param {number} limit
 * @param {AbortSignal} signal
 * @returns {Promise<Hit[]>}
 */
async function search(pack, q, limit, signal) {
  const words = plain(q).split(/\s+/).filter((word) => word !== '');
  // In a line of JSON other signs may be written in another way; letters and digits never are.
  const sure = words.filter((word) => /^[\p{L}\p{N}]+$/u.test(word));
  const wanted = (/** @type {string} */ text) => {
    const folded = plain(text);
    return sure.every((word) => folded.includes(word));
  };
  /** @type {Hit[]} */
  const hits = [];
  for (let block = 0; words.length > 0 && block < pack.blockCount && hits.length < limit; block++) {
    signal.throwIfAborted();
    hits.push(...(await pack.sift(block, wanted)).flatMap((envelope) => hitIn(envelope, words) ?? []));
    await new Promise((resolve) => setTimeout(resolve)); // the page draws in between
  }
  return hits.slice(0, limit);
}

/**
 * @param {Envelope} envelope
 * @param {readonly string[]} words
 * @returns {Hit | null}
 */
function hitIn({ seq, t_ms, event }, words) {
  if (event.type !== 'message_completed') return null;
  const texts = event.message.content.flatMap((part) => textsOf(part));
  const folded = texts.map(({ text }) => plain(text));
  if (!words.every((word) => folded.some((text) => text.includes(word)))) return null;
  const found = folded.findIndex((text) => text.includes(words[0] ?? ''));
  const { kind, text } = texts[found] ?? { kind: 'text', text: '' };
  return { seq, t_ms, kind, snippet: snippet(text, folded[found] ?? '', words[0] ?? '') };
}

/** @param {Part} part @returns {{ kind: string, text: string }[]} */
function textsOf(part) {
  switch (part.type) {
    case 'text':
    case 'code':
      return [{ kind: 'text', text: part.text }];
    case 'thinking':
      return [{ kind: 'thinking', text: part.text }];
    case 'tool_call':
      return [{ kind: 'tool_call', text: `${part.name} ${part.title ?? ''} ${strings(part.input).join(' ')}` }];
    case 'tool_result':
      return part.output.flatMap(textsOf).map(({ text }) => ({ kind: 'tool_result', text }));
    case 'plan':
      return [{ kind: 'text', text: part.entries.map((entry) => entry.content).join(' ') }];
    case 'resource':
      return [{ kind: 'text', text: `${part.uri} ${part.text ?? ''}` }];
    default:
      return [];
  }
}

/** @param {unknown} value @returns {string[]} */
function strings(value) {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(strings) : [];
}

/** A text without case and accents. @param {string} text */
function plain(text) {
  // Most text has none of them, and is done with much sooner.
  return (/^[\x00-\x7f]*$/.test(text) ? text : text.normalize('NFD').replace(/\p{M}+/gu, '')).toLowerCase();
}

/**
 * @param {string} text
 * @param {string} folded
 * @param {string} word
 * @returns {SnippetPiece[]}
 */
function snippet(text, folded, word) {
  // Where nothing was taken out of a text, its places are those of the folded one.
  const shown = text.length === folded.length ? text : folded;
  const at = folded.indexOf(word);
  const end = at + word.length;
  return [
    { text: (at > SNIPPET_CHARACTERS ? '…' : '') + shown.slice(Math.max(0, at - SNIPPET_CHARACTERS), at) },
    { text: shown.slice(at, end), match: true },
    { text: shown.slice(end, end + SNIPPET_CHARACTERS) + (end + SNIPPET_CHARACTERS < shown.length ? '…' : '') },
  ];
}
