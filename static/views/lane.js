/**
 * A subagent's session inside the card of the call that started it: a page at a time, and no more than one can look at.
 *
 * @import { Api } from '../api.js'
 * @import { SessionSummary } from '../protocol.js'
 */

import { ApiError } from '../api.js';
import { el, localLink, replaceChildren } from '../dom.js';
import { count } from '../format.js';
import { createContext, endRunning, renderMessage } from '../renderers/index.js';

const PAGE_EVENTS = 40;

/** What is beyond so many is watched in a page of its own. */
const MAX_EVENTS = 200;

export class Lane {
  node;
  #api;
  #child;
  #context;
  #messages = el('div', { class: 'lane-messages' });
  #foot = el('div', { class: 'lane-foot', attrs: { role: 'status' } });
  #next = 0;
  #leaving = new AbortController();

  /**
   * @param {SessionSummary} child
   * @param {Pick<Api, 'events' | 'text'>} api
   */
  constructor(child, api) {
    this.#api = api;
    this.#child = child;
    this.#context = createContext({ fetchText: api.text });
    this.node = el('section', { class: 'lane', attrs: { 'aria-label': `Subagent: ${child.title ?? ''}`, tabindex: 0 } }, this.#messages, this.#foot);
    void this.#load();
  }

  close() {
    this.#leaving.abort();
    this.node.remove();
  }

  async #load() {
    this.#foot.textContent = 'Loading…';
    try {
      const page = await this.#api.events(this.#child.scroll_id, { start_seq: this.#next, limit: PAGE_EVENTS }, this.#leaving.signal);
      const nodes = page.events.map((envelope) => renderMessage(envelope, this.#context).node).filter((node) => node !== null);
      this.#messages.append(...nodes);
      this.#next = page.next_seq ?? this.#next + page.events.length;
      this.#drawFoot(page.next_seq !== null);
    } catch (error) {
      if (this.#leaving.signal.aborted) return;
      replaceChildren(this.#foot, error instanceof ApiError ? error.message : 'It could not be loaded.', this.#button('Try again'));
    }
  }

  /** @param {boolean} more */
  #drawFoot(more) {
    if (!more) endRunning(this.#context);
    const whole = localLink(`/sessions/${encodeURIComponent(this.#child.scroll_id)}`, { class: 'lane-link', text: 'Open as a session' });
    replaceChildren(this.#foot, more && this.#next < MAX_EVENTS ? this.#button('Show more') : null, more ? `${count(this.#next, 'message')} shown` : count(this.#next, 'message'), whole);
  }

  /** @param {string} words */
  #button(words) {
    return el('button', { class: 'more-button', text: words, attrs: { type: 'button' }, on: { click: () => void this.#load() } });
  }
}
