/**
 * A subagent's session inside the card of the call that started it: a page at a time, and no more than one can look at.
 * What is still being written comes by itself. The subagents that this one started open in it in the same way.
 *
 * @import { Api } from '../api.js'
 * @import { SessionSummary } from '../protocol.js'
 */

import { ApiError } from '../api.js';
import { sessionHref } from '../base.js';
import { childrenOf } from '../children.js';
import { el, localLink, replaceChildren } from '../dom.js';
import { count } from '../format.js';
import { createContext, endRunning, refreshCalls, renderMessage } from '../renderers/index.js';
import { joinVoices } from './voices.js';

const PAGE_EVENTS = 40;

/** What is beyond so many is watched in a page of its own. */
const MAX_EVENTS = 200;

/** So often is looked for more of a subagent that is at work. */
const REFRESH_MS = 3_000;

export class Lane {
  node;
  #api;
  #child;
  #context;
  #messages = el('div', { class: 'lane-messages' });
  #foot = el('div', { class: 'lane-foot', attrs: { role: 'status' } });
  #next = 0;
  /** Of how many messages of a subagent at work the foot tells. */
  #shown = -1;
  /** @type {ReadonlyMap<string, SessionSummary>} */
  #children = new Map();
  #leaving = new AbortController();

  /**
   * @param {SessionSummary} child
   * @param {Pick<Api, 'events' | 'session' | 'sessions' | 'text'>} api
   * @param {() => boolean} thinkingOpen
   */
  constructor(child, api, thinkingOpen) {
    this.#api = api;
    this.#child = child;
    this.#context = createContext({
      fetchText: api.text,
      inLane: true,
      thinkingOpen,
      childOf: (callId) => this.#children.get(callId) ?? null,
      openLane: (grandchild) => new Lane(grandchild, api, thinkingOpen),
    });
    this.node = el('section', { class: 'lane', attrs: { 'aria-label': `Subagent: ${child.title ?? ''}`, tabindex: 0 } }, this.#messages, this.#foot);
    void this.#more();
  }

  close() {
    this.#leaving.abort();
    this.node.remove();
  }

  #more() {
    this.#shown = -1;
    this.#foot.textContent = 'Loading…';
    return this.#load();
  }

  async #load() {
    const { signal } = this.#leaving;
    const id = this.#child.scroll_id;
    try {
      const page = await this.#api.events(id, { start_seq: this.#next, limit: PAGE_EVENTS }, signal);
      const nodes = page.events.map((envelope) => renderMessage(envelope, this.#context).node).filter((node) => node !== null);
      this.#messages.append(...nodes);
      nodes.forEach(joinVoices);
      this.#next = page.next_seq ?? this.#next + page.events.length;
      this.#children = await childrenOf(this.#api, id, signal);
      refreshCalls(this.#children.keys(), this.#context);
      const { live } = await this.#api.session(id, signal);
      this.#drawFoot(page.next_seq !== null, live);
    } catch (error) {
      if (signal.aborted) return;
      replaceChildren(this.#foot, error instanceof ApiError ? error.message : 'It could not be loaded.', this.#button('Try again'));
    }
  }

  /**
   * @param {boolean} more  whether there are events that are not shown
   * @param {boolean} live
   */
  #drawFoot(more, live) {
    const full = this.#next >= MAX_EVENTS;
    if (!more && live && !full) setTimeout(() => this.node.isConnected && void this.#load(), REFRESH_MS);
    else if (!more) endRunning(this.#context);
    const shown = count(this.#next, 'message');
    if (live && this.#shown === this.#next) return; // nothing has come
    this.#shown = live ? this.#next : -1;
    const words = more ? `${shown} shown` : live ? `${shown} so far` : shown;
    const whole = localLink(sessionHref(this.#child.scroll_id), { class: 'lane-link', text: 'Open as a session' });
    replaceChildren(this.#foot, more && !full ? this.#button('Show more') : null, words, whole);
  }

  /** @param {string} words */
  #button(words) {
    return el('button', { class: 'more-button', text: words, attrs: { type: 'button' }, on: { click: () => void this.#more() } });
  }
}
