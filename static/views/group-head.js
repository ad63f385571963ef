/**
 * The head of a group in the list: its name, how many sessions stand below it, and whether they are shown.
 */

import { el, icon, setAttribute } from '../dom.js';

export class GroupHead {
  node;
  #count = el('span', { class: 'group-count' });
  #button;

  /**
   * @param {string} name
   * @param {() => void} fold
   */
  constructor(name, fold) {
    this.#button = el('button', { class: 'group-button', attrs: { type: 'button' }, on: { click: fold } },
      icon('chevron'), el('span', { class: 'group-name', text: name }), this.#count);
    this.node = el('li', { class: 'group' }, el('h2', { class: 'group-head' }, this.#button));
  }

  /**
   * @param {number} many  sessions in it as far as the list was loaded
   * @param {boolean} whole  whether that is all there are
   * @param {boolean} open
   */
  update(many, whole, open) {
    const words = `${many.toLocaleString('en')}${whole ? '' : ' so far'}`;
    if (this.#count.textContent !== words) this.#count.textContent = words;
    setAttribute(this.#button, 'aria-expanded', open);
  }
}
