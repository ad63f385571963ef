/**
 * The list of turns beside the conversation: where one is, and a way to anywhere. Of many turns only those are in the
 * document that one can see.
 *
 * @import { PlayerStore, ReplayState } from '../player-store.js'
 * @import { Timeline } from '../live-timeline.js'
 * @import { Turn } from '../turns.js'
 */

import { clear, el, setAttribute } from '../dom.js';
import { clock, oneLine } from '../format.js';
import { countTurns, toldSpent, turnBefore, turnOf } from '../turns.js';
import { spentBetween, spentShort, spentWords } from '../usage.js';

/** Each turn is as high as this, as `style.css` has it: room for two lines. */
const ROW_PX = 56;

/** Rows beyond what can be seen, above and below: what a flick of the wheel brings. */
const AHEAD_ROWS = 12;

export class TurnsPanel {
  node;
  #store;
  #list;
  #scroller;
  #title;
  /** @type {Timeline | null} */
  #drawn = null;
  #labelled = 0;
  /** Those in the document, by their place. @type {Map<number, HTMLElement>} */
  #rows = new Map();
  #current = -1;
  /** What turns took of which every event was seen, by the turn's own, and up to which. @type {Map<number, { end: number, spent: import('../usage.js').Spent }>} */
  #spent = new Map();
  #arrivals = -1;

  /**
   * @param {PlayerStore} store
   * @param {() => void} picked
   */
  constructor(store, picked) {
    this.#store = store;
    this.#title = el('h2', { class: 'panel-title', text: 'Turns' });
    this.#list = el('ol', { class: 'turn-list', on: { click: (event) => this.#clicked(event, picked) } });
    this.#scroller = el('div', { class: 'turn-scroller', on: { scroll: () => this.#drawRows() } }, this.#list);
    this.node = el('nav', { class: 'turns', attrs: { id: 'turns', 'aria-label': 'Turns' } }, this.#title, this.#scroller);
    new ResizeObserver(() => this.#shown()).observe(this.#scroller);
  }

  /** Whether its turns are listed. @param {Timeline | null} timeline */
  knows(timeline) {
    return timeline === this.#drawn;
  }

  /** @param {ReplayState} state */
  update({ timeline, cursor, mode, status, labelled, arrivals }) {
    if (timeline !== this.#drawn) this.#take(timeline);
    if (labelled !== this.#labelled) this.#label(labelled);
    const rushing = mode === 'fast' && status === 'playing'; // then a look at the layout each time is too dear
    if (arrivals !== this.#arrivals && !rushing) {
      this.#arrivals = arrivals;
      this.#drawSpent();
    }
    const current = (turnBefore(timeline, cursor)?.number ?? 0) - 1;
    if (current === this.#current) return;
    this.#button(this.#current)?.removeAttribute('aria-current');
    this.#current = current;
    if (!rushing) this.#keepInView();
    const button = this.#button(current);
    if (button) setAttribute(button, 'aria-current', 'step');
  }

  /** @param {Timeline | null} timeline */
  #take(timeline) {
    const before = this.#drawn;
    const [was, count] = [countTurns(before), countTurns(timeline)];
    this.#drawn = timeline;
    this.#title.textContent = count > 0 ? `Turns · ${count.toLocaleString('en')}` : 'Turns';
    this.#list.style.setProperty('--rows', String(count));
    const grew = was > 0 && turnOf(before, was - 1)?.seq === turnOf(timeline, was - 1)?.seq;
    if (!grew) {
      this.#current = -1;
      this.#spent.clear();
      this.#rows.clear();
      clear(this.#list);
      if (timeline && count === 0) this.#list.append(el('li', { class: 'panel-empty', text: 'No turns in this session.' }));
    }
    this.#drawRows();
  }

  /** The panel was opened, or has another height. */
  #shown() {
    this.#keepInView();
    this.#drawRows();
  }

  #drawRows() {
    const { scrollTop, clientHeight } = this.#scroller;
    if (clientHeight === 0) return; // nobody sees it
    const first = Math.max(0, Math.floor(scrollTop / ROW_PX) - AHEAD_ROWS);
    const end = Math.min(countTurns(this.#drawn), Math.ceil((scrollTop + clientHeight) / ROW_PX) + AHEAD_ROWS);
    for (const [index, row] of this.#rows) {
      if ((index >= first && index < end) || row.contains(document.activeElement)) continue;
      row.remove();
      this.#rows.delete(index);
    }
    // In their order, which is that in which Tab goes through them.
    let next = this.#list.firstChild;
    for (let index = first; index < end; index++) {
      const row = this.#rows.get(index) ?? this.#draw(index);
      if (row === next) next = row.nextSibling;
      else if (!row.isConnected || row !== document.activeElement?.closest('li')) this.#list.insertBefore(row, next);
    }
    this.#askForMore(first, end);
  }

  /**
   * @param {number} first
   * @param {number} end
   */
  #askForMore(first, end) {
    for (let index = first; index < end; index++) {
      if (turnOf(this.#drawn, index)?.label !== null && this.#isTold(index)) continue;
      return this.#store.dispatch({ type: 'load-turns', from: index, to: end });
    }
  }

  /** Puts in what has become known. @param {number} labelled */
  #label(labelled) {
    this.#labelled = labelled;
    this.#drawSpent();
    for (const [index, row] of this.#rows) {
      const words = row.querySelector('.turn-label');
      const label = turnOf(this.#drawn, index)?.label ?? null;
      if (words && label !== null && words.textContent === '') words.textContent = wordsOf(label);
    }
    this.#drawRows(); // asks for what is not known even now
  }

  /** Tells what the turns in the document took. */
  #drawSpent() {
    for (const [index, row] of this.#rows) this.#tellSpent(index, row);
  }

  /**
   * @param {number} index
   * @param {HTMLElement} row
   */
  #tellSpent(index, row) {
    const note = row.querySelector('.turn-spent');
    const spent = this.#spentOf(index);
    if (!(note instanceof HTMLElement) || !spent || note.title === spentWords(spent)) return;
    note.textContent = spentShort(spent);
    note.title = spentWords(spent);
  }

  /** Whether it can be said what a turn took. @param {number} index */
  #isTold(index) {
    const [from, end] = this.#endsOf(index);
    return this.#spent.has(from) || this.#store.log.holds(from, end) || (this.#drawn !== null && toldSpent(this.#drawn, index) !== null);
  }

  /**
   * What a turn took: by its events where they are all here, else as the server has it.
   *
   * @param {number} index
   */
  #spentOf(index) {
    if (!this.#drawn) return null;
    const [from, end] = this.#endsOf(index);
    const known = this.#spent.get(from);
    if (known?.end === end) return known.spent;
    if (!this.#store.log.holds(from, end)) return toldSpent(this.#drawn, index);
    const more = known && known.end < end ? known : null; // the last turn grows with every event
    const spent = spentBetween((seq) => this.#store.log.get(seq), more?.end ?? from, end, more?.spent);
    this.#spent.set(from, { end, spent });
    return spent;
  }

  /** The numbers of a turn's first event, and of the one behind its last. @param {number} index @returns {[number, number]} */
  #endsOf(index) {
    const count = this.#drawn?.count ?? 0;
    return [turnOf(this.#drawn, index)?.seq ?? count, turnOf(this.#drawn, index + 1)?.seq ?? count];
  }

  /** @param {number} index */
  #draw(index) {
    const turn = /** @type {Turn} */ (turnOf(this.#drawn, index));
    const button = el('button', { class: 'turn', attrs: { type: 'button' }, data: { seq: String(turn.seq) } },
      el('span', { class: 'turn-number', text: String(turn.number) }),
      el('span', { class: 'turn-label', text: turn.label === null ? '' : wordsOf(turn.label) }),
      el('span', { class: 'turn-facts' }, el('span', { class: 'turn-time', text: clock(turn.t_ms) }), el('span', { class: 'turn-spent' })));
    if (index === this.#current) setAttribute(button, 'aria-current', 'step');
    const row = el('li', { attrs: { 'aria-setsize': countTurns(this.#drawn), 'aria-posinset': turn.number } }, button);
    row.style.setProperty('--row', String(index));
    this.#rows.set(index, row);
    this.#tellSpent(index, row);
    return row;
  }

  /** @param {number} index */
  #button(index) {
    return this.#rows.get(index)?.querySelector('button') ?? null;
  }

  /** Scrolls only the list, and only when the turn that one is in would not be seen. */
  #keepInView() {
    const { scrollTop, clientHeight } = this.#scroller;
    if (this.#current < 0 || clientHeight === 0) return;
    const top = this.#current * ROW_PX;
    if (top < scrollTop || top + ROW_PX > scrollTop + clientHeight) this.#scroller.scrollTop = top - clientHeight / 3;
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

/** @param {string} label */
function wordsOf(label) {
  return oneLine(label, 140) || 'Without words';
}
