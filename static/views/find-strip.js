/**
 * What was looked for in the list, and where it is in this session: one line above the conversation.
 *
 * @import { PlayerStore, ReplayState } from '../player-store.js'
 */

import { clear, el, icon, setAttribute } from '../dom.js';
import { count, oneLine } from '../format.js';
import { pictureButton } from './chrome.js';

export class FindStrip {
  node;
  #words = el('span', { class: 'find-words' });
  #where = el('span', { class: 'find-where', attrs: { role: 'status' } });
  #previous;
  #next;
  /** @type {ReplayState['found']} */
  #found = null;

  /** @param {PlayerStore} store */
  constructor(store) {
    const send = store.dispatch.bind(store);
    this.#previous = pictureButton(icon('chevron-up'), 'Previous place found', 'Shift n', () => send({ type: 'previous-hit' }));
    this.#next = pictureButton(icon('chevron-down'), 'Next place found', 'n', () => send({ type: 'next-hit' }));
    setAttribute(this.#previous, 'aria-keyshortcuts', 'Shift+n');
    this.node = el('div', { class: 'find-strip', hidden: true, attrs: { role: 'search', 'aria-label': 'Found in this session' } },
      icon('search'), this.#words, this.#where,
      el('span', { class: 'find-actions' }, this.#previous, this.#next, pictureButton(icon('cross'), 'End the search', '', () => send({ type: 'find', q: '' }))));
  }

  /** @param {ReplayState} state */
  update({ found, cursor }) {
    if (found !== this.#found) {
      this.#found = found;
      this.node.hidden = found === null;
      clear(this.#words);
      if (found) this.#words.append(el('b', { text: oneLine(found.q, 80) }));
    }
    if (!found) return;
    const items = found.items;
    const at = items.findIndex((each) => each.seq === cursor - 1);
    const where = items.length === 0 ? 'not found in this session' : at >= 0 ? `${(at + 1).toLocaleString('en')} of ${items.length.toLocaleString('en')}` : count(items.length, 'place');
    if (this.#where.textContent !== where) this.#where.textContent = where;
    this.#previous.disabled = !items.some((each) => each.seq < cursor - 1);
    this.#next.disabled = !items.some((each) => each.seq >= cursor);
  }
}
