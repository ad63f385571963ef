/**
 * Words to look for in this session, and where they are: one line above the conversation.
 *
 * @import { PlayerStore, ReplayState } from '../player-store.js'
 */

import { el, icon, setAttribute } from '../dom.js';
import { count } from '../format.js';
import { pictureButton } from './chrome.js';

/** Typing pauses for this long before the server is asked. */
const TYPING_MS = 180;

export class FindStrip {
  node;
  #store;
  #words;
  #where = el('span', { class: 'find-where', attrs: { role: 'status' } });
  #previous;
  #next;
  #typing = 0;
  #isOpen = false;
  /** What had focus before. @type {Element | null} */
  #cameFrom = null;
  /** @type {ReplayState['found']} */
  #found = null;

  /** @param {PlayerStore} store */
  constructor(store) {
    this.#store = store;
    this.#words = el('input', {
      class: 'find-words',
      attrs: { type: 'search', placeholder: 'Find in this session', 'aria-label': 'Find in this session', autocomplete: 'off', spellcheck: 'false', enterkeyhint: 'search' },
      on: { input: () => this.#typed(), keydown: (event) => this.#key(event) },
    });
    this.#previous = pictureButton(icon('chevron-up'), 'Previous place found', 'Shift n', () => store.dispatch({ type: 'previous-hit' }));
    this.#next = pictureButton(icon('chevron-down'), 'Next place found', 'n', () => store.dispatch({ type: 'next-hit' }));
    setAttribute(this.#previous, 'aria-keyshortcuts', 'Shift+n');
    this.node = el('div', { class: 'find-strip', hidden: true, attrs: { role: 'search', 'aria-label': 'In this session' } },
      icon('search'), this.#words, this.#where,
      el('span', { class: 'find-actions' }, this.#previous, this.#next, pictureButton(icon('cross'), 'End the search', '', () => this.close())));
  }

  /** Lets one type what to look for. */
  open() {
    this.#isOpen = true;
    this.node.hidden = false;
    if (!this.node.contains(document.activeElement)) this.#cameFrom = document.activeElement;
    this.#words.focus();
    this.#words.select();
  }

  /** Ends the search. */
  close() {
    this.#isOpen = false;
    clearTimeout(this.#typing);
    this.#words.value = '';
    this.#giveBackFocus();
    this.node.hidden = true;
    if (this.#found) this.#store.dispatch({ type: 'find', q: '' });
  }

  /** At once: what is hidden loses focus only in the next frame, and a key pressed before would be typed into it. */
  #giveBackFocus() {
    const focused = document.activeElement;
    if (!(focused instanceof HTMLElement) || !this.node.contains(focused)) return;
    focused.blur();
    if (this.#cameFrom instanceof HTMLElement && this.#cameFrom.isConnected) this.#cameFrom.focus({ preventScroll: true });
  }

  /** @param {ReplayState} state */
  update({ found, cursor }) {
    if (found !== this.#found) {
      this.#found = found;
      this.node.hidden = found === null && !this.#isOpen;
      if (found && document.activeElement !== this.#words) this.#words.value = found.q;
    }
    const items = found?.items ?? [];
    const at = items.findIndex((each) => each.seq === cursor - 1);
    const number = (/** @type {number} */ n) => n.toLocaleString('en');
    const [nothing, soFar] = found?.complete ? ['not found', ''] : ['not found so far', ' so far'];
    const where = !found ? '' : items.length === 0 ? nothing : `${at >= 0 ? `${number(at + 1)} of ${number(items.length)}` : count(items.length, 'place')}${soFar}`;
    if (this.#where.textContent !== where) this.#where.textContent = where;
    this.#previous.disabled = this.#next.disabled = items.length === 0;
  }

  #typed() {
    clearTimeout(this.#typing);
    this.#typing = window.setTimeout(() => this.#find(), TYPING_MS);
  }

  #find() {
    clearTimeout(this.#typing);
    const q = this.#words.value.trim();
    if (q !== (this.#found?.q ?? '')) this.#store.dispatch({ type: 'find', q });
  }

  /** As in a browser's own search: Enter goes on, with Shift back, Escape ends it. @param {KeyboardEvent} event */
  #key(event) {
    if (event.key === 'Escape') this.close();
    else if (event.key !== 'Enter') return;
    else if (this.#words.value.trim() !== (this.#found?.q ?? '')) this.#find();
    else this.#store.dispatch({ type: event.shiftKey ? 'previous-hit' : 'next-hit' });
    event.preventDefault();
  }
}
