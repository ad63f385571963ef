/**
 * A tool call and its result, in one card however far apart they come. The card waits, spinning, until the result is
 * put into it, or until it is clear that none will come.
 */

import { sessionHref } from '../base.js';
import { el, icon, keepChildren, localLink, replaceChildren } from '../dom.js';
import { oneLine, safeText, span } from '../format.js';
import { pieceByPiece, source } from './fold.js';
import { jsonBlock } from './json.js';
import { plainBlock } from './lines.js';
import { failed, inputOf, otherParts } from './tool-input.js';
import { lookOf, toolName } from './tools.js';

/** Up to this size an input is shown in the way of its tool; a longer one as text. */
const INPUT_BYTES = 1_000_000;

/** @typedef {import('../dom.js').Child} Child */
/** @typedef {import('../protocol.js').ToolCallPart} ToolCallPart */
/** @typedef {import('../protocol.js').ToolResultPart} ToolResultPart */
/** @typedef {import('./index.js').Context} Context */
/** @typedef {import('./index.js').Place} Place */
/** @typedef {import('./tool-input.js').Call} Call */
/** @typedef {{part: ToolResultPart, place: Place}} Result */

/** The card of one call, from its first look to its result. */
export class ToolCallHandle {
  /** @type {Map<string, Result>} by place, in order of arrival */
  #results = new Map();
  /** @type {ToolCallPart} */
  #part;
  #context;
  #open = true;
  #raw = false;
  #waits;
  #body = el('div', { class: 'tool-body' });
  #badges = el('span', { class: 'tool-badges' });
  #state = el('span', { class: 'tool-state' });
  #summary = el('span', { class: 'tool-summary' });
  #symbol = el('span', { class: 'tool-symbol' });
  #child = el('span', { class: 'tool-child' });
  #toggle;
  #rawButton;

  /**
   * @param {ToolCallPart} part
   * @param {Place} place
   * @param {Context} context
   */
  constructor(part, place, context) {
    this.#part = part;
    this.#context = context;
    this.place = place;
    /** The call before this one that had the same id, if any. @type {ToolCallHandle | undefined} */
    this.previous = undefined;
    // A call without an id can get no result, so nothing is waited for.
    this.#waits = typeof part.call_id === 'string';
    const { name, server } = toolName(part.name);
    const shownName = safeText(oneLine(name, 60)) || 'tool';
    this.#toggle = el(
      'button', { class: 'tool-toggle', attrs: { type: 'button', 'aria-expanded': true }, on: { click: () => this.#setOpen(!this.#open) } },
      icon('chevron'), this.#symbol, el('span', { class: 'tool-name', text: shownName }), server !== null && el('span', { class: 'tool-server', text: safeText(server) }), this.#summary,
    );
    this.#rawButton = el(
      'button', {
        class: 'tool-raw', title: 'The call and its result as JSON', on: { click: () => this.#setRaw(!this.#raw) },
        attrs: { type: 'button', 'aria-pressed': false, 'aria-label': `Raw JSON of ${shownName}` },
      },
      icon('braces'),
    );
    this.node = el(
      'div', { class: 'part tool', attrs: { role: 'group', 'aria-label': `Tool call: ${shownName}` } },
      el('div', { class: 'tool-head' }, this.#toggle, this.#badges, this.#child, this.#state, this.#rawButton), this.#body,
    );
    this.#draw();
  }

  /** Whether the result is still to come. */
  get waits() {
    return this.#waits && this.#results.size === 0;
  }

  /**
   * Puts a result into the card. The same one again takes its own place.
   *
   * @param {ToolResultPart} part
   * @param {Place} place
   */
  settle(part, place) {
    this.#results.set(`${place.seq}:${place.index}`, { part, place });
    this.#draw();
  }

  /**
   * Takes the results of these events out again: the player went back before them.
   *
   * @param {ReadonlySet<number>} seqs
   */
  unsettle(seqs) {
    const gone = [...this.#results].filter(([, { place }]) => seqs.has(place.seq));
    for (const [key] of gone) this.#results.delete(key);
    if (gone.length > 0) this.#draw();
  }

  /** No result will come any more. */
  stop() {
    if (!this.waits) return;
    this.#waits = false;
    this.#draw();
  }

  /** The session that the call started may be known now. */
  refresh() {
    this.#drawChild();
  }

  #draw() {
    const results = [...this.#results.values()].sort((a, b) => a.place.seq - b.place.seq || a.place.index - b.place.index);
    /** @type {Call} */
    const call = { part: this.#part, input: inputOf(this.#part.input), results: results.map((result) => result.part), place: this.place, context: this.#context };
    const look = lookOf(call);
    const isError = failed(call.results);
    this.node.classList.toggle('is-error', isError);
    this.node.classList.toggle('is-waiting', this.waits);
    keepChildren(this.#symbol, [icon(look.icon)]);
    const summary = look.summary(call);
    if (this.#summary.textContent !== safeText(summary)) this.#summary.textContent = safeText(summary);
    this.#summary.title = summary.length > 60 ? safeText(summary) : '';
    const badges = look.badges?.(call) ?? [];
    keepChildren(this.#badges, badges.map(({ text, class: name }) => el('span', { class: `tool-badge ${name ?? ''}`.trim(), text })));
    this.#drawChild();
    replaceChildren(this.#state, ...this.#stateNodes(results, isError, badges.some((badge) => badge.class === 'is-error')));
    if (this.#open) keepChildren(this.#body, (this.#raw ? this.#rawNodes(call) : this.#bodyNodes(call, look)).filter((child) => child instanceof Node));
  }

  /** The way to the session that this call started. */
  #drawChild() {
    const child = typeof this.#part.call_id === 'string' ? this.#context.childOf?.(this.#part.call_id) : null;
    if (!child || this.#child.firstChild) return;
    const title = safeText(oneLine(child.title ?? '', 120));
    const { openLane } = this.#context;
    if (openLane) this.#child.append(this.#laneButton(child, openLane));
    this.#child.append(localLink(sessionHref(child.scroll_id), {
      class: 'child-link', title: title ? `Open the subagent's session: ${title}` : "Open the subagent's session",
    }, icon('branch'), 'Open session'));
  }

  /**
   * What the subagent did, below the card.
   *
   * @param {import('../protocol.js').SessionSummary} child
   * @param {NonNullable<Context['openLane']>} openLane
   */
  #laneButton(child, openLane) {
    /** @type {{ node: HTMLElement, close: () => void } | null} */
    let lane = null;
    const button = el('button', { class: 'lane-button', text: 'Show here', attrs: { type: 'button', 'aria-expanded': false } });
    button.addEventListener('click', () => {
      if (lane) lane.close();
      lane = lane ? null : openLane(child);
      if (lane) this.node.append(lane.node);
      button.textContent = lane ? 'Hide' : 'Show here';
      button.setAttribute('aria-expanded', String(lane !== null));
    });
    return button;
  }

  /**
   * @param {Result[]} results
   * @param {boolean} isError
   * @param {boolean} unwell  it worked, but a badge says that what it did ended badly: no tick then
   * @returns {Child[]}
   */
  #stateNodes(results, isError, unwell) {
    if (results.length === 0) {
      return this.#waits ? [el('span', { class: 'spinner', attrs: { 'aria-hidden': true } }), 'running'] : [el('span', { text: 'no result' })];
    }
    const took = (results[results.length - 1]?.place.t_ms ?? 0) - this.place.t_ms;
    const length = took >= 50 && el('span', { class: 'tool-time', text: span(took), title: `From call to result: ${span(took)}` });
    if (isError) return [icon('cross'), 'failed', length];
    return unwell ? [length] : [icon('check'), el('span', { class: 'visually-hidden', text: 'done' }), length];
  }

  /** @param {Call} call @param {import('./tool-input.js').Look} look @returns {Child[]} */
  #bodyNodes(call, look) {
    const others = otherParts(call.results).filter((part) => !look.holds?.(part)).map((part) => this.#context.renderPart(part, this.#context, this.place));
    return [...look.body(call), ...others, this.#part.truncated && this.#wholeCall()];
  }

  /** A button that fetches the whole input of a call that was cut. */
  #wholeCall() {
    const whole = source('', this.#part.truncated, this.#context);
    const button = el('button', { class: 'more-button', attrs: { type: 'button' }, text: 'Show the whole input' });
    const bar = el('div', { class: 'cut-bar' }, button);
    button.addEventListener('click', async () => {
      button.disabled = true;
      try {
        const body = await whole.load();
        if (body.size > INPUT_BYTES) {
          const text = el('div', { class: 'cut-body' });
          replaceChildren(bar, ...(await pieceByPiece(body, (piece) => replaceChildren(text, plainBlock(piece, { label: 'Input', wrap: true })))));
          bar.before(text);
          return;
        }
        this.#part = { ...this.#part, input: inputOf(await body.text()), truncated: undefined };
        this.#draw();
      } catch {
        button.disabled = false;
        button.textContent = 'The input could not be loaded. Try again.';
      }
    });
    return bar;
  }

  /** @param {Call} call @returns {Child[]} */
  #rawNodes({ part, results }) {
    const [one] = results;
    return [jsonBlock(part, { label: 'Call as JSON' }), results.length > 0 && jsonBlock(results.length === 1 ? one : results, { label: 'Result as JSON' })];
  }

  /** @param {boolean} open */
  #setOpen(open) {
    this.#open = open;
    this.#toggle.setAttribute('aria-expanded', String(open));
    this.node.classList.toggle('is-closed', !open);
    this.#body.hidden = !open;
    this.#draw();
  }

  /** @param {boolean} raw */
  #setRaw(raw) {
    this.#raw = raw;
    this.#rawButton.setAttribute('aria-pressed', String(raw));
    this.#setOpen(true);
  }
}

/**
 * The card of a call, with its result in it where that is known already.
 *
 * @param {ToolCallPart} part
 * @param {Context} context
 * @param {Place} place
 * @returns {HTMLElement}
 */
export function renderToolCall(part, context, place) {
  const handle = new ToolCallHandle(part, place, context);
  if (typeof part.call_id === 'string') enter(handle, part.call_id, context);
  return handle.node;
}

/** @param {ToolCallHandle} handle @param {string} id @param {Context} context */
function enter(handle, id, context) {
  // Newest call first; one that is rendered again takes the place of its former self.
  /** @type {ToolCallHandle[]} */
  const chain = [];
  for (let each = context.calls.get(id); each; each = each.previous) if (before(handle.place, each.place) !== 0) chain.push(each);
  chain.push(handle);
  chain.sort((a, b) => before(b.place, a.place));
  chain.forEach((each, index) => {
    each.previous = chain[index + 1];
  });
  if (chain[0]) context.calls.set(id, chain[0]);

  for (const result of context.results.get(id)?.values() ?? []) {
    if (callOf(id, result.place, context) !== handle) continue;
    handle.settle(result.part, result.place);
    result.orphan?.remove();
    result.orphan = null;
  }
}

/** @param {Place} a @param {Place} b  negative where a is earlier */
function before(a, b) {
  return a.seq - b.seq || a.index - b.index;
}

/**
 * The call that a result belongs to: the last before it that has its id.
 *
 * @param {string | null} id
 * @param {Place} place
 * @param {Context} context
 * @returns {ToolCallHandle | undefined}
 */
export function callOf(id, place, context) {
  if (typeof id !== 'string') return undefined;
  let handle = context.calls.get(id);
  while (handle && before(handle.place, place) > 0) handle = handle.previous;
  return handle;
}
