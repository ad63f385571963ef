/**
 * What a turn cost, as far as the session tells: every agent counts in words of its own. The server counts by the same
 * rules (`archive/spent.py`).
 *
 * @import { Envelope } from './protocol.js'
 */

import { compactNumber } from './format.js';

/** @typedef {{ read: number, written: number }} Tokens */

/**
 * @typedef {Object} Spent
 * @property {Tokens | null} tokens  `null` where nothing was counted
 * @property {number | null} cost  US dollars, `null` where none was told
 * @property {boolean} whole  whether all that belongs to it was looked at
 */

/** What counts as written, and as read beside what was read for the first time. @type {readonly string[]} */
const WRITTEN = ['output_tokens', 'completion_tokens', 'output'];
const READ = ['input_tokens', 'prompt_tokens', 'input'];
/** Tokens that were read from a cache, or into one, where these are not among those read. */
const CACHED = ['cache_read_input_tokens', 'cache_creation_input_tokens', 'input_tokens_cache_read', 'input_tokens_cache_write'];
/** Thoughts, where these are not among those written. */
const THOUGHT = ['thoughts', 'reasoning'];
const COSTS = ['cost', 'cost_usd', 'costUSD', 'total_cost'];

/** @type {Spent} */
const NOTHING = { tokens: null, cost: null, whole: true };

/**
 * @param {(seq: number) => Envelope | null} event
 * @param {number} from
 * @param {number} to
 * @param {Spent} [before]  to be added to
 * @returns {Spent} by the events of a half-open range
 */
export function spentBetween(event, from, to, before = NOTHING) {
  const spent = { ...before, tokens: before.tokens && { ...before.tokens } };
  for (let seq = from; seq < to; seq++) {
    const envelope = event(seq);
    if (!envelope) spent.whole = false;
    else add(spent, envelope);
  }
  return spent;
}

/** @param {Spent} spent @param {Envelope} envelope */
function add(spent, { event }) {
  if (event.type !== 'message_completed') return;
  const metadata = fields(event.message.metadata);
  const usage = fields(metadata.get('usage') ?? metadata.get('tokens'));
  const cache = fields(usage.get('cache'));
  const [read, written] = [first(usage, READ), first(usage, WRITTEN)];
  if (read !== null || written !== null) {
    spent.tokens ??= { read: 0, written: 0 };
    spent.tokens.read += (read ?? 0) + sum(usage, CACHED) + sum(cache, ['read', 'write']);
    spent.tokens.written += (written ?? 0) + sum(usage, THOUGHT);
  }
  const cost = first(metadata, COSTS) ?? first(usage, COSTS);
  if (cost !== null) spent.cost = (spent.cost ?? 0) + cost;
}

/**
 * @param {Spent} spent
 * @returns {string} what fits beside a turn's time: `$0.021`, or where no cost is told `13k tok`
 */
export function spentShort({ tokens, cost, whole }) {
  const least = whole ? '' : '≥ ';
  if (cost !== null) return least + dollars(cost);
  return tokens ? `${least}${compactNumber(tokens.read + tokens.written)} tok` : 'unknown';
}

/** @param {number} cost */
function dollars(cost) {
  return `$${cost.toPrecision(2).includes('e') || cost >= 1 ? cost.toFixed(2) : String(Number(cost.toPrecision(2)))}`;
}

/**
 * @param {Spent} spent
 * @returns {string} `12.3k tokens read, 840 written · $0.021`
 */
export function spentWords({ tokens, cost, whole }) {
  const least = whole ? '' : 'at least ';
  const counted = tokens ? `${least}${compactNumber(tokens.read)} tokens read, ${compactNumber(tokens.written)} written` : '';
  const paid = cost === null ? '' : `${least}${dollars(cost)}`;
  if (!counted && !paid) return 'tokens and cost unknown';
  return [counted || 'tokens unknown', paid || 'cost unknown'].join(' · ');
}

/** @param {unknown} value @returns {ReadonlyMap<string, unknown>} */
function fields(value) {
  return new Map(typeof value === 'object' && value !== null ? Object.entries(value) : []);
}

/** @param {ReadonlyMap<string, unknown>} from @param {readonly string[]} names */
function first(from, names) {
  for (const name of names) {
    const value = from.get(name);
    if (typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER) return value;
  }
  return null;
}

/** @param {ReadonlyMap<string, unknown>} from @param {readonly string[]} names */
function sum(from, names) {
  return names.reduce((total, name) => total + (first(from, [name]) ?? 0), 0);
}
