/**
 * The list of sessions: what there is, to choose from.
 *
 * @import { Api } from '../api.js'
 * @import { SessionPage, SessionSummary } from '../protocol.js'
 * @import { Settings } from '../settings.js'
 */

import { ApiError } from '../api.js';
import { clear, el, icon, localLink } from '../dom.js';
import { clock, count, dateTime, oneLine, relativeDate } from '../format.js';
import { brand, message, themeButton } from './chrome.js';

const PAGE_SESSIONS = 50;

const SORTS = [
  ['-updated_at', 'Newest first'],
  ['updated_at', 'Oldest first'],
  ['-duration_ms', 'Longest first'],
  ['title', 'By title'],
];

export class Catalogue {
  node;
  #api;
  #list = el('ul', { class: 'sessions' });
  #status = el('div', { class: 'list-status' });
  #total = el('p', { class: 'list-total', attrs: { role: 'status' } });
  #more;
  #filter;
  #agent;
  #project;
  #sort;
  /** @type {SessionSummary[]} */
  #sessions = [];
  /** @type {string | null} */
  #cursor = null;
  #all = 0;
  #loading = new AbortController();

  /**
   * @param {Api} api
   * @param {Settings} settings
   */
  constructor(api, settings) {
    this.#api = api;
    this.#filter = el('input', {
      class: 'filter', attrs: { type: 'search', placeholder: 'Filter by title', 'aria-label': 'Filter the list by title', autocomplete: 'off', spellcheck: 'false' },
      on: { input: () => this.#draw() },
    });
    this.#agent = menu('Agent', [['', 'All agents']], () => void this.#reload());
    this.#project = menu('Project', [['', 'All projects']], () => void this.#reload());
    this.#sort = menu('Sort', SORTS, () => void this.#reload());
    this.#more = el('button', { class: 'button', text: 'Load more', hidden: true, attrs: { type: 'button' }, on: { click: () => void this.#load(true) } });
    this.node = el('div', { class: 'catalogue' },
      el('header', { class: 'topbar' }, localLink('/', { class: 'back' }, brand()), el('div', { class: 'titles' }), el('div', { class: 'top-actions' }, themeButton(settings))),
      el('main', { class: 'list-page' },
        el('div', { class: 'list-head' }, el('h1', { class: 'list-title', text: 'Sessions' }), this.#total),
        el('div', { class: 'list-tools' }, el('div', { class: 'filter-box' }, icon('search'), this.#filter), this.#agent.label, this.#project.label, this.#sort.label),
        this.#list, this.#status, this.#more));
    document.title = 'Scrollcast';
    void this.#reload();
  }

  dispose() {
    this.#loading.abort();
  }

  async #reload() {
    this.#sessions = [];
    this.#cursor = null;
    this.#more.hidden = true;
    clear(this.#list);
    clear(this.#status);
    this.#status.append(bones());
    await this.#load(false);
  }

  /** @param {boolean} more  the next page, rather than the first */
  async #load(more) {
    this.#loading.abort();
    const loading = (this.#loading = new AbortController());
    this.#more.disabled = true;
    try {
      this.#take(await this.#api.sessions(this.#query(more), loading.signal));
    } catch (error) {
      if (!loading.signal.aborted) this.#failed(error, more);
    } finally {
      this.#more.disabled = false;
    }
  }

  /** @param {boolean} more */
  #query(more) {
    const query = { sort: this.#sort.select.value, agent: this.#agent.select.value, project: this.#project.select.value, limit: PAGE_SESSIONS };
    return more && this.#cursor !== null ? { ...query, cursor: this.#cursor } : query;
  }

  /** @param {SessionPage} page */
  #take(page) {
    this.#sessions.push(...page.sessions);
    this.#cursor = page.next_cursor;
    this.#all = page.total;
    this.#agent.add(page.sessions.map((each) => each.agent));
    this.#project.add(page.sessions.map((each) => each.project));
    this.#draw();
  }

  #draw() {
    const words = this.#filter.value.trim().toLowerCase();
    const shown = this.#sessions.filter((each) => words === '' || titleOf(each).toLowerCase().includes(words));
    clear(this.#list);
    clear(this.#status);
    this.#list.append(...shown.map(row));
    this.#more.hidden = this.#cursor === null;
    this.#total.textContent = words === '' ? count(this.#all, 'session') : `${shown.length} of ${count(this.#sessions.length, 'session')} loaded`;
    if (shown.length === 0) this.#status.append(this.#empty(words));
  }

  /** @param {string} words */
  #empty(words) {
    if (words) return message({ icon: 'search', title: 'No title matches', text: this.#cursor === null ? null : 'There are more sessions to load.' });
    if (this.#agent.select.value || this.#project.select.value) return message({ icon: 'search', title: 'No session matches', text: 'Choose another agent or project.' });
    return message({ icon: 'folder', title: 'No sessions yet', text: 'Start the server on an archive, or on a folder or file of a tool that it knows: scrollcast serve PATH. Then load this page again.' });
  }

  /**
   * @param {unknown} error
   * @param {boolean} more
   */
  #failed(error, more) {
    const text = error instanceof ApiError ? error.message : 'Something went wrong.';
    const again = () => void (more ? this.#load(true) : this.#reload());
    const retry = el('button', { class: 'button primary', text: 'Try again', attrs: { type: 'button' }, on: { click: again } });
    clear(this.#status);
    this.#status.append(message({ icon: 'warning', title: 'The list could not be loaded', text, kind: 'error' }, retry));
  }
}

/** @param {SessionSummary} session */
function titleOf({ title }) {
  return oneLine(title ?? '', 200) || 'Session without a title';
}

/** @param {SessionSummary} session */
function row(session) {
  const title = el('span', { class: 'row-title', text: titleOf(session) });
  const facts = [session.agent, session.model, session.project].filter((each) => each).map((each) => el('span', { class: 'fact', text: oneLine(String(each), 60) }));
  if (session.error) {
    return el('li', {}, el('div', { class: 'row broken' },
      el('div', { class: 'row-main' }, title, el('p', { class: 'row-error', text: oneLine(session.error, 300) })),
      el('span', { class: 'badge error' }, icon('warning'), 'Cannot be played')));
  }
  const when = session.updated_at ?? session.created_at;
  return el('li', {}, localLink(`/sessions/${encodeURIComponent(session.scroll_id)}`, { class: 'row' },
    el('div', { class: 'row-main' }, title, el('p', { class: 'facts' }, ...facts, session.live && el('span', { class: 'badge live', text: 'live' }))),
    el('span', { class: 'row-count', text: session.count === null ? '' : count(session.count, 'message') }),
    el('span', { class: 'row-length' }, icon('play'), session.duration_ms === null ? '–' : clock(session.duration_ms)),
    el('span', { class: 'row-when', text: when ? relativeDate(when) : '', title: when ? dateTime(when) : '' })));
}

/**
 * @param {string} words
 * @param {string[][]} choices
 * @param {() => void} changed
 */
function menu(words, choices, changed) {
  const option = (/** @type {string[]} */ [value = '', text = '']) => el('option', { text, attrs: { value } });
  const select = el('select', { attrs: { 'aria-label': words }, on: { change: changed } }, ...choices.map(option));
  const label = el('label', { class: 'choice' }, el('span', { class: 'choice-words', text: words }), select);
  const seen = new Set(['']);
  const add = (/** @type {(string | null)[]} */ values) => {
    for (const value of values) {
      if (!value || seen.has(value)) continue;
      seen.add(value);
      select.append(option([value, oneLine(value, 40)]));
    }
  };
  return { label, select, add };
}

function bones() {
  const one = () => el('div', { class: 'bone-row' }, el('div', { class: 'bone w60' }), el('div', { class: 'bone w30' }));
  return el('div', { class: 'skeleton', attrs: { role: 'status', 'aria-label': 'Loading the list' } }, one(), one(), one(), one(), one());
}
