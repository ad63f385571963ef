/**
 * What narrows the list: words, menus, switches; compact where there is little room.
 *
 * @import { Facet, Facets } from '../protocol.js'
 * @import { Filters } from '../list-query.js'
 */

import { el, icon, replaceChildren, setAttribute } from '../dom.js';
import { oneLine } from '../format.js';
import { SORTS, SPANS, countFilters, parseFilters } from '../list-query.js';

/** Typing pauses for this long before the server is asked. */
const TYPING_MS = 180;

/** A longer name is told by its end: that is where projects differ. */
const NAME_CHARACTERS = 34;

const BETWEEN = 'between';

export class FilterBar {
  node;
  #filters;
  #changed;
  #search;
  #agent;
  #project;
  #model;
  #date;
  #days;
  #after;
  #before;
  #errors;
  #live;
  #grouped;
  #sort;
  #clear;
  #open;
  #typing = 0;

  /**
   * @param {Filters} filters
   * @param {(filters: Filters) => void} changed
   * @param {(grouped: boolean) => void} group  told when the list is to stand by projects, and when not
   */
  constructor(filters, changed, group) {
    this.#filters = filters;
    this.#changed = changed;
    this.#search = el('input', {
      class: 'filter',
      attrs: { type: 'search', placeholder: 'Search in every session', 'aria-label': 'Search in every session', 'aria-keyshortcuts': '/', autocomplete: 'off', spellcheck: 'false', enterkeyhint: 'search' },
      on: { input: () => this.#typed(), search: () => this.#type(), keydown: (event) => event.key === 'Enter' && this.#type() },
    });
    this.#agent = menu('Agent', 'All', (agent) => this.#set({ agent }));
    this.#project = menu('Project', 'All', (project) => this.#set({ project }));
    this.#model = menu('Model', 'All', (model) => this.#set({ model }));
    this.#date = menu('Date', 'Any', (value) => this.#pickDate(value));
    this.#date.offer([...SPANS, [BETWEEN, 'Between…']]);
    this.#after = dateField('From', (after) => this.#set({ after, days: '' }));
    this.#before = dateField('Until', (before) => this.#set({ before, days: '' }));
    this.#days = el('div', { class: 'days', hidden: true }, this.#after, el('span', { text: '–', attrs: { 'aria-hidden': 'true' } }), this.#before);
    this.#errors = toggle('Errors', icon('warning'), () => this.#set({ errors: !this.#filters.errors }));
    this.#live = toggle('Live', el('span', { class: 'live-dot', attrs: { 'aria-hidden': 'true' } }), () => this.#set({ live: !this.#filters.live }));
    this.#grouped = toggle('By project', icon('folder'), () => group(this.#grouped.getAttribute('aria-pressed') !== 'true'));
    this.#sort = menu('Sort', null, (sort) => this.#set({ sort }));
    this.#sort.offer(SORTS);
    this.#clear = el('button', { class: 'button quiet clear', text: 'Clear', hidden: true, attrs: { type: 'button', 'aria-label': 'Clear all filters' }, on: { click: () => this.#reset() } });
    this.#open = el('button', { class: 'button filters-button', attrs: { type: 'button', 'aria-expanded': 'false', 'aria-controls': 'filters' }, on: { click: () => this.#toggle() } });
    this.node = el('div', { class: 'list-tools' },
      el('div', { class: 'tools-row' },
        el('div', { class: 'filter-box' }, icon('search'), this.#search, el('kbd', { class: 'filter-key', text: '/', attrs: { 'aria-hidden': 'true' } })),
        this.#open, this.#sort.label),
      el('div', { class: 'tools-row filters', attrs: { id: 'filters', role: 'group', 'aria-label': 'Filters' } },
        this.#agent.label, this.#project.label, this.#model.label, this.#date.label, this.#days, this.#errors, this.#live, this.#grouped, this.#clear));
    this.show(filters);
  }

  get filters() {
    return this.#filters;
  }

  /** @param {Filters} filters  shown from now on, and not told to anybody */
  show(filters) {
    clearTimeout(this.#typing);
    if (this.#search.value.trim() !== filters.q) this.#search.value = filters.q;
    this.#filters = filters;
    this.#draw();
  }

  /** The list is left: what was typed last is not asked for any more, since the address is another page's by now. */
  rest() {
    clearTimeout(this.#typing);
  }

  /** All but the words looked for: somebody may be typing them, ahead of what was asked for. */
  #draw() {
    const { agent, project, model, days, after, before, errors, live, sort } = this.#filters;
    this.#agent.show(agent);
    this.#project.show(project);
    this.#model.show(model);
    const between = Boolean(after || before);
    this.#date.show(between ? BETWEEN : days);
    this.#days.hidden = !between && this.#date.select.value !== BETWEEN;
    if (this.#after.value !== after) this.#after.value = after;
    if (this.#before.value !== before) this.#before.value = before;
    setAttribute(this.#errors, 'aria-pressed', errors);
    setAttribute(this.#live, 'aria-pressed', live);
    this.#sort.show(sort);
    const narrowed = countFilters(this.#filters);
    this.#clear.hidden = narrowed === 0;
    replaceChildren(this.#open, 'Filters', narrowed > 0 && el('span', { class: 'count', text: String(narrowed) }));
  }

  /** @param {Facets} facets  what there is to choose */
  offer({ agents, projects, models }) {
    this.#agent.offer(agents.map(named));
    this.#project.offer(projects.map(named));
    this.#model.offer(models.map(named));
    this.#draw();
  }

  /** @param {boolean} grouped  whether the list stands by projects */
  showGrouped(grouped) {
    setAttribute(this.#grouped, 'aria-pressed', grouped);
  }

  /** Nothing is looked for and nothing is left out. @returns {boolean} whether anything was */
  clear() {
    if (this.#search.value === '' && countFilters(this.#filters) === 0) return false;
    this.#search.value = '';
    this.#set({ ...parseFilters(''), sort: this.#filters.sort });
    return true;
  }

  focus() {
    this.#search.focus();
    this.#search.select();
  }

  /** All but the words looked for: those one sees, and takes out by hand. */
  #reset() {
    this.#search.focus();
    this.#set({ ...parseFilters(''), sort: this.#filters.sort });
  }

  #typed() {
    clearTimeout(this.#typing);
    this.#typing = window.setTimeout(() => this.#type(), TYPING_MS);
  }

  #type() {
    if (this.#search.value.trim() !== this.#filters.q) this.#set({});
  }

  /** @param {string} value */
  #pickDate(value) {
    this.#days.hidden = value !== BETWEEN;
    if (value === BETWEEN) {
      this.#after.focus();
      return; // nothing is asked before a day is named
    }
    this.#set({ days: value, after: '', before: '' });
  }

  #toggle() {
    const open = this.node.classList.toggle('is-open');
    setAttribute(this.#open, 'aria-expanded', open);
  }

  /** @param {Omit<Partial<Filters>, 'q'>} change  the words looked for are those in the box, typed a moment ago or not */
  #set(change) {
    clearTimeout(this.#typing);
    this.#filters = { ...this.#filters, ...change, q: this.#search.value.trim() };
    this.#draw();
    this.#changed(this.#filters);
  }
}

/** @param {Facet} facet @returns {readonly [string, string]} */
function named({ value, count }) {
  return [value, `${tail(value)} (${count.toLocaleString('en')})`];
}

/** @param {string} value */
function tail(value) {
  const line = oneLine(value, 300);
  return line.length > NAME_CHARACTERS ? `…${line.slice(1 - NAME_CHARACTERS)}` : line;
}

/**
 * @param {string} words
 * @param {string | null} all  what stands for no choice; `null` where one has to be made
 * @param {(value: string) => void} choose
 */
function menu(words, all, choose) {
  const option = (/** @type {string} */ value, /** @type {string} */ text) => el('option', { text, attrs: { value } });
  const select = el('select', { attrs: { 'aria-label': words }, on: { change: () => choose(select.value) } });
  const label = el('label', { class: `choice choice-${words.toLowerCase()}` }, el('span', { class: 'choice-words', text: words }), select);
  /** @param {readonly (readonly [string, string])[]} choices */
  const offer = (choices) => {
    const offered = all === null ? choices : [/** @type {const} */ (['', all]), ...choices];
    const now = [...select.options];
    // A menu that somebody has open must not be made anew under the pointer.
    if (now.length === offered.length && offered.every(([value, text], at) => now[at]?.value === value && now[at]?.text === text)) return;
    const { value: chosen } = select;
    replaceChildren(select, ...offered.map(([value, text]) => option(value, text)));
    show(chosen);
  };
  /** @param {string} value */
  const show = (value) => {
    if (![...select.options].some((each) => each.value === value)) select.append(option(value, tail(value)));
    if (select.value !== value) select.value = value;
    label.classList.toggle('is-set', all !== null && value !== '');
  };
  if (all !== null) offer([]);
  return { label, select, offer, show };
}

/**
 * @param {string} words
 * @param {(value: string) => void} choose
 */
function dateField(words, choose) {
  const field = el('input', { class: 'day', attrs: { type: 'date', 'aria-label': words }, on: { change: () => choose(field.value) } });
  return field;
}

/**
 * @param {string} words
 * @param {Node} picture
 * @param {() => void} act
 */
function toggle(words, picture, act) {
  return el('button', { class: 'button toggle', attrs: { type: 'button', 'aria-pressed': 'false' }, on: { click: act } }, picture, words);
}
