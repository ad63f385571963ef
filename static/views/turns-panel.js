/**
 * The list of turns beside the conversation: where one is, and a way to anywhere.
 *
 * @import { PlayerStore, ReplayState } from '../player-store.js'
 * @import { Timeline } from '../protocol.js'
 * @import { Turn } from '../turns.js'
 */

import { clear, el, setAttribute } from '../dom.js';
import { clock, oneLine } from '../format.js';
import { turnBefore, turnsOf } from '../turns.js';

export class TurnsPanel {
  node;
  #store;
  #list;
  #title;
  /** @type {Timeline | null} */
  #drawn = null;
  /** @type {HTMLButtonElement[]} */
  #buttons = [];
  #current = -1;

  /**
   * @param {PlayerStore} store
   * @param {() => void} picked
   */
  constructor(store, picked) {
    this.#store = store;
    this.#title = el('h2', { class: 'panel-title', text: 'Turns' });
    this.#list = el('ol', { class: 'turn-list', on: { click: (event) => this.#clicked(event, picked) } });
    this.node = el('nav', { class: 'turns', attrs: { id: 'turns', 'aria-label': 'Turns' } }, this.#title, this.#list);
  }

  /** @param {ReplayState} state */
  update({ timeline, cursor, mode, status }) {
    if (timeline !== this.#drawn) this.#draw(timeline);
    const current = (turnBefore(turnsOf(timeline), cursor)?.number ?? 0) - 1;
    if (current === this.#current) return;
    this.#buttons[this.#current]?.removeAttribute('aria-current');
    this.#current = current;
    const button = this.#buttons[current];
    if (!button) return;
    setAttribute(button, 'aria-current', 'step');
    const rushing = mode === 'fast' && status === 'playing'; // then a look at the layout each time is too dear
    if (!rushing && this.node.offsetParent !== null) keepInView(this.#list, button);
  }

  /** @param {Timeline | null} timeline */
  #draw(timeline) {
    const turns = turnsOf(timeline);
    const before = turnsOf(this.#drawn);
    const grew = this.#drawn !== null && timeline?.epoch === this.#drawn.epoch && before.every((each, index) => each.seq === turns[index]?.seq);
    this.#drawn = timeline;
    this.#title.textContent = turns.length > 0 ? `Turns · ${turns.length}` : 'Turns';
    if (!grew) {
      this.#current = -1;
      this.#buttons = [];
      clear(this.#list);
      if (timeline && turns.length === 0) this.#list.append(el('li', { class: 'panel-empty', text: 'No turns in this session.' }));
    } else if (before.length === 0 && turns.length > 0) clear(this.#list);
    const fresh = turns.slice(this.#buttons.length).map(turnButton);
    this.#buttons.push(...fresh);
    this.#list.append(...fresh.map((button) => el('li', {}, button)));
  }

  /**
   * @param {MouseEvent} event
   * @param {() => void} picked
   */
  #clicked(event, picked) {
    const button = event.target instanceof Element ? event.target.closest('button') : null;
    if (!button?.dataset.seq) return;
    this.#store.dispatch({ type: 'go-to', seq: Number(button.dataset.seq) });
    picked();
  }
}

/** @param {Turn} turn */
function turnButton(turn) {
  return el('button', { class: 'turn', attrs: { type: 'button' }, data: { seq: String(turn.seq) } },
    el('span', { class: 'turn-number', text: String(turn.number) }),
    el('span', { class: 'turn-label', text: oneLine(turn.label, 140) || 'Without words' }),
    el('span', { class: 'turn-time', text: clock(turn.t_ms) }));
}

/**
 * Scrolls only the list: `scrollIntoView` would scroll the page too.
 *
 * @param {HTMLElement} list
 * @param {HTMLElement} child
 */
function keepInView(list, child) {
  const outer = list.getBoundingClientRect();
  const inner = child.getBoundingClientRect();
  if (inner.top < outer.top || inner.bottom > outer.bottom) list.scrollTop += inner.top - outer.top - outer.height / 3;
}
