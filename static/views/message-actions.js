/**
 * What can be done with one message: copy a link to it, and see it as it is archived. One set of buttons for all, which
 * goes where the pointer or the focus is: hundreds of them would be most of the page.
 *
 * @import { Envelope } from '../protocol.js'
 */

import { el, icon, setAttribute } from '../dom.js';
import { jsonBlock } from '../renderers/json.js';

export class MessageActions {
  #node;
  #raw;
  #event;
  /** @type {HTMLElement | null} */
  #message = null;

  /**
   * @param {(seq: number) => Envelope | null} event
   * @param {(seq: number, tMs: number) => void} copyLink
   */
  constructor(event, copyLink) {
    this.#event = event;
    this.#raw = el('button', {
      class: 'msg-action', title: 'As it is archived', attrs: { type: 'button', 'aria-label': 'Message as JSON', 'aria-pressed': false }, on: { click: () => this.#toggleRaw() },
    }, icon('braces'));
    const link = el('button', {
      class: 'msg-action', title: 'Copy a link to this message', attrs: { type: 'button', 'aria-label': 'Copy a link to this message' },
      on: { click: () => this.#message && copyLink(Number(this.#message.dataset.seq), Number(this.#message.dataset.tMs)) },
    }, icon('link'));
    this.#node = el('div', { class: 'msg-actions' }, link, this.#raw);
  }

  /** @param {EventTarget | null} target  what is pointed at, or has focus */
  moveTo(target) {
    const message = target instanceof Element ? target.closest('.messages > .msg') : null;
    if (!(message instanceof HTMLElement) || message === this.#message || this.#node.contains(document.activeElement)) return;
    this.#message = message;
    message.append(this.#node);
    setAttribute(this.#raw, 'aria-pressed', message.classList.contains('is-raw'));
  }

  #toggleRaw() {
    const message = this.#message;
    const main = message?.querySelector('.msg-main');
    if (!message || !main) return;
    const raw = message.classList.toggle('is-raw');
    setAttribute(this.#raw, 'aria-pressed', raw);
    main.querySelector(':scope > .msg-raw')?.remove();
    const envelope = raw ? this.#event(Number(message.dataset.seq)) : null;
    if (envelope) main.append(el('div', { class: 'msg-raw' }, jsonBlock(envelope.event, { label: 'Message as JSON' })));
  }
}
