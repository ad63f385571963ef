/**
 * The list of sessions: what there is, to choose from. It keeps itself up to date while it is looked at, and never
 * moves what somebody is about to press.
 *
 * @import { Api } from '../api.js'
 * @import { Filters } from '../list-query.js'
 * @import { Progress, SessionPage, SessionSummary } from '../protocol.js'
 * @import { Clock } from '../session-client.js'
 * @import { Settings } from '../settings.js'
 */

import { ApiError } from '../api.js';
import { BASE } from '../base.js';
import { clear, el, icon, localLink, replaceChildren, setAttribute } from '../dom.js';
import { count, oneLine } from '../format.js';
import { groupsOf, nextPlace } from '../list-groups.js';
import { merge } from '../list-merge.js';
import { countFilters, formatFilters, parseFilters, toQuery } from '../list-query.js';
import { Poller } from '../poller.js';
import { brand, message, themeButton } from './chrome.js';
import { FilterBar } from './filters.js';
import { GroupHead } from './group-head.js';
import { SessionRow, titleOf } from './session-row.js';
import { UnrecognisedFold } from './unrecognised.js';

const PAGE_SESSIONS = 50;

/** Asked for at once when the list is brought up to date; what lies further down is as it was. */
const MAX_REFRESHED = 500;

/** Pages that come by themselves when one scrolls; then a button, so that the end of the page can be reached. */
const AUTO_PAGES = 9;

/** So many live sessions stand above the others. */
const MAX_LIVE = 50;

/** How far below the window the next page is asked for. */
const AHEAD_PX = 900;

/** So often the list is brought up to date: while the catalogue is being built, and else. */
const BUILDING_MS = 2_000;
const SETTLED_MS = 5_000;

export class Catalogue {
  node;
  #api;
  #list = el('ul', { class: 'sessions', attrs: { 'aria-label': 'Sessions' } });
  #status = el('div', { class: 'list-status' });
  #stale = el('p', { class: 'list-stale', hidden: true, attrs: { role: 'status' } });
  #total = el('p', { class: 'list-total', attrs: { role: 'status' } });
  #progress = new ProgressLine();
  #unrecognised = new UnrecognisedFold();
  #news;
  #more;
  #bar;
  #poller;
  #nearing;
  /** @type {Map<string, SessionSummary>} */
  #sessions = new Map();
  /** @type {Map<string, SessionRow>} */
  #rows = new Map();
  /** @type {string[]} */
  #order = [];
  /** Those that stand above the others, whichever page they are on. @type {string[]} */
  #live = [];
  /** @type {Map<string, GroupHead>} */
  #heads = new Map();
  #settings;
  /** Titles of sessions that are not in the list themselves; `null` while on their way. @type {Map<string, string | null>} */
  #parents = new Map();
  /** @type {string | null} */
  #cursor = null;
  #building = false;
  #autoLeft = AUTO_PAGES;
  #counted = '';
  #loaded = false;
  /** Whether a page is on its way that the viewer asked for: nothing is brought up to date meanwhile. */
  #asking = false;
  #loading = new AbortController();
  #leaving = new AbortController();

  /**
   * @param {Api} api
   * @param {Settings} settings
   * @param {Clock} clock
   */
  constructor(api, settings, clock) {
    this.#api = api;
    this.#settings = settings;
    this.#bar = new FilterBar(parseFilters(location.search), (filters) => this.#choose(filters), (grouped) => this.#group(grouped));
    this.#bar.showGrouped(settings.grouped);
    this.#more = el('button', { class: 'button', text: 'Show more', hidden: true, attrs: { type: 'button' }, on: { click: () => this.#askMore() } });
    this.#news = el('button', { class: 'pill news', hidden: true, attrs: { type: 'button' }, on: { click: () => void this.#takeNews() } });
    this.#poller = new Poller(() => this.#refresh(), clock);
    this.node = el('div', { class: 'catalogue' },
      el('header', { class: 'topbar' }, localLink('/', { class: 'back' }, brand()), el('div', { class: 'titles' }), el('div', { class: 'top-actions' }, themeButton(settings))),
      el('main', { class: 'list-page' },
        el('div', { class: 'list-head' }, el('h1', { class: 'list-title', text: 'Sessions' }), this.#total),
        this.#bar.node, this.#progress.node, this.#stale,
        el('div', { class: 'list-box' }, this.#news, this.#list), this.#status, this.#more, this.#unrecognised.node));
    this.#nearing = new IntersectionObserver(() => this.#autoLoad(), { rootMargin: `${AHEAD_PX}px` });
    this.#nearing.observe(this.#more);
    void this.#reload();
  }

  /** The list is looked at (again). */
  show() {
    document.title = 'Scrollcast';
    document.addEventListener('keydown', this.#onKey);
    this.readAddress();
    this.#poller.start(this.#loaded ? 0 : BUILDING_MS);
  }

  /** Something else is; the list stays as it is, to come back to. */
  hide() {
    document.removeEventListener('keydown', this.#onKey);
    this.#poller.stop();
    this.#bar.rest();
  }

  dispose() {
    this.hide();
    this.#nearing.disconnect();
    this.#loading.abort();
    this.#leaving.abort();
  }

  /** The address has changed: it says what to show. */
  readAddress() {
    const filters = parseFilters(location.search);
    if (formatFilters(filters) === formatFilters(this.#bar.filters)) return;
    this.#bar.show(filters);
    void this.#reload();
  }

  // ------------------------------------------------------------------------------------------------------- asking

  /** @param {Filters} filters */
  #choose(filters) {
    history.replaceState(history.state, '', `${BASE}${formatFilters(filters)}`);
    void this.#reload();
  }

  /** @param {boolean} grouped  whether the list is to stand by projects */
  #group(grouped) {
    this.#settings.grouped = grouped;
    this.#bar.showGrouped(grouped);
    void this.#reload();
  }

  /** What is live leads a list that would have it further down. In the newest first it leads by itself. */
  get #leadsLive() {
    const { live, sort } = this.#bar.filters;
    return !live && (this.#settings.grouped || sort !== '-updated_at');
  }

  /**
   * @param {number} limit
   * @param {AbortSignal} signal
   * @param {string | null} [cursor]
   */
  async #fetch(limit, signal, cursor = null) {
    const query = toQuery(this.#bar.filters, Date.now());
    const [page, live] = await Promise.all([
      this.#api.sessions({ ...query, limit, ...(cursor === null ? {} : { cursor }) }, signal),
      this.#leadsLive ? this.#api.sessions({ ...query, live: 1, limit: MAX_LIVE }, signal) : null,
    ]);
    return { page, live: live?.sessions ?? [] };
  }

  /** The list from its beginning. What is shown stays until there is something to take its place. */
  async #reload() {
    this.#autoLeft = AUTO_PAGES;
    if (this.#order.length === 0) replaceChildren(this.#status, bones());
    await this.#ask(false, (page) => this.#replace(page));
    this.#autoLoad(); // its end may have come near while nothing more could be asked for
  }

  #askMore() {
    this.#autoLeft = AUTO_PAGES;
    void this.#loadMore();
  }

  #autoLoad() {
    if (this.#autoLeft <= 0 || this.#asking || this.#cursor === null) return;
    const near = this.node.isConnected && this.#more.getBoundingClientRect().top < innerHeight + AHEAD_PX;
    if (!near) return;
    this.#autoLeft -= 1;
    void this.#loadMore();
  }

  async #loadMore() {
    await this.#ask(true, (page) => this.#append(page));
    this.#autoLoad();
  }

  /**
   * @param {boolean} more  the next page, rather than the first
   * @param {(page: SessionPage) => void} take
   */
  async #ask(more, take) {
    this.#loading.abort();
    const loading = (this.#loading = new AbortController());
    this.#asking = true;
    setAttribute(this.#list, 'aria-busy', true);
    try {
      const { page, live } = await this.#fetch(PAGE_SESSIONS, loading.signal, more ? this.#cursor : null);
      if (loading.signal.aborted) return;
      this.#takeLive(live);
      this.#loaded = true;
      this.#stale.hidden = true;
      take(page);
      this.#takeFacts(page);
    } catch (error) {
      if (!loading.signal.aborted) this.#failed(error, more);
    } finally {
      if (loading === this.#loading) {
        this.#asking = false;
        setAttribute(this.#list, 'aria-busy', false);
      }
    }
  }

  /** Brings the list up to date. @returns {Promise<number>} when to do so again */
  async #refresh() {
    if (!this.#asking && this.#loaded) {
      const loading = this.#loading;
      const limit = Math.min(MAX_REFRESHED, Math.max(PAGE_SESSIONS, this.#order.length));
      try {
        const { page, live } = await this.#fetch(limit, loading.signal);
        if (loading === this.#loading && !loading.signal.aborted && !this.#asking) this.#update(page, live);
      } catch (error) {
        if (!loading.signal.aborted) this.#missed(error);
      }
    }
    return this.#building ? BUILDING_MS : SETTLED_MS;
  }

  /** What there is to filter by, and what is not recognised: when there may be something new to say of it. */
  async #fetchAround() {
    const { signal } = this.#leaving;
    const [facets, unrecognised] = await Promise.allSettled([this.#api.facets(signal), this.#api.unrecognised(signal)]);
    if (signal.aborted) return;
    if (facets.status === 'fulfilled') this.#bar.offer(facets.value);
    if (unrecognised.status === 'fulfilled') this.#unrecognised.update(unrecognised.value);
  }

  // ------------------------------------------------------------------------------------------------------- taking

  /** @param {readonly SessionSummary[]} live  those that are to lead the list */
  #takeLive(live) {
    this.#know(live);
    const before = this.#live;
    this.#live = live.map((each) => each.scroll_id);
    this.#forget(before);
  }

  /** @param {SessionPage} page */
  #replace({ sessions, next_cursor: cursor }) {
    this.#know(sessions);
    this.#cursor = cursor;
    this.#arrange(sessions.map((each) => each.scroll_id));
    this.#news.hidden = true;
  }

  /** @param {SessionPage} page */
  #append({ sessions, next_cursor: cursor }) {
    this.#know(sessions);
    this.#cursor = cursor;
    const there = new Set(this.#order);
    this.#arrange([...this.#order, ...sessions.map((each) => each.scroll_id).filter((id) => !there.has(id))]);
  }

  /**
   * A newer word on the beginning of the list: rows keep their places. While somebody points at them or reads further
   * down, nothing comes in between: it is said how much there is, and comes when asked for.
   *
   * @param {SessionPage} page
   * @param {readonly SessionSummary[]} live
   */
  #update(page, live) {
    this.#stale.hidden = true;
    const fetched = page.sessions.map((each) => each.scroll_id);
    const { order, added, removed } = merge(this.#order, fetched, page.next_cursor === null);
    const held = added + removed > 0 && this.#isHeld();
    const last = this.#order.at(-1);
    const tail = last === undefined ? order : order.slice(order.lastIndexOf(last) + 1);
    this.#know(page.sessions);
    if (!this.#isHeld()) this.#takeLive(live);
    const arranged = held ? [...this.#order, ...tail] : order;
    if (arranged.at(-1) === fetched.at(-1)) this.#cursor = page.next_cursor;
    this.#arrange(arranged);
    const waiting = held ? added - tail.length : 0;
    this.#news.hidden = waiting <= 0;
    if (waiting > 0) replaceChildren(this.#news, icon('chevron-up'), `${count(waiting, 'new session')}`);
    this.#takeFacts(page);
  }

  /** Whether moving rows would take them from under somebody's pointer, finger or eye. */
  #isHeld() {
    const pointed = matchMedia('(hover: hover)').matches && this.#list.matches(':hover');
    return pointed || this.#list.contains(document.activeElement) || this.#list.getBoundingClientRect().top < 0;
  }

  async #takeNews() {
    window.scrollTo({ top: 0 });
    await this.#reload();
  }

  /** @param {SessionPage} page */
  #takeFacts({ total, progress, searched }) {
    const listing = progress !== undefined && !progress.complete;
    this.#building = listing || searched !== undefined;
    if (listing || !searched) this.#progress.update('Looked at', progress);
    else this.#progress.update('Searched', { looked_at: searched.sessions, total: searched.total, complete: false });
    const { filters } = this.#bar;
    const matching = filters.q !== '' || countFilters(filters) > 0;
    const words = `${count(total, 'session')}${matching ? ' found' : ''}${this.#building ? ' so far' : ''}`;
    if (this.#total.textContent !== words) this.#total.textContent = words;
    this.#drawEmpty(matching, progress);
    const counted = `${total} ${progress?.looked_at} ${listing}`;
    if (counted === this.#counted) return;
    this.#counted = counted;
    void this.#fetchAround();
  }

  /** @param {readonly SessionSummary[]} sessions */
  #know(sessions) {
    for (const session of sessions) this.#sessions.set(session.scroll_id, session);
    for (const session of sessions) this.#draw(session);
  }

  // ------------------------------------------------------------------------------------------------------ drawing

  /** @param {SessionSummary} session */
  #draw(session) {
    let row = this.#rows.get(session.scroll_id);
    if (!row) this.#rows.set(session.scroll_id, (row = new SessionRow(session.scroll_id)));
    row.update(session, this.#bar.filters.q, (id) => this.#titleOfParent(id));
  }

  /**
   * Puts rows in this order. One that is where it belongs is not touched: it keeps its focus.
   *
   * @param {string[]} order
   */
  #arrange(order) {
    const before = this.#order;
    this.#order = order;
    this.#forget(before);
    this.#place();
    this.#more.hidden = this.#cursor === null;
    if (order.length > 0) clear(this.#status);
  }

  /** Puts every row, and the heads above them, where they belong. */
  #place() {
    const nodes = this.#nodes();
    const wanted = new Set(/** @type {Node[]} */ (nodes));
    for (const node of [...this.#list.childNodes]) if (!wanted.has(node)) node.remove();
    let place = this.#list.firstChild;
    for (const node of nodes) {
      if (node === place) place = node.nextSibling;
      else this.#list.insertBefore(node, place);
    }
  }

  /** Rows and heads from top to bottom; a folded group has no rows. @returns {HTMLElement[]} */
  #nodes() {
    const { grouped } = this.#settings;
    const row = (/** @type {string} */ id) => this.#rows.get(id)?.node ?? [];
    if (!grouped && this.#live.length === 0) return this.#order.flatMap(row);
    const folded = new Set(this.#settings.folded);
    const projectOf = (/** @type {string} */ id) => oneLine(this.#sessions.get(id)?.project ?? '', 200) || null;
    return groupsOf(this.#order, this.#live, grouped ? projectOf : null).flatMap(({ key, name, whole, ids }) => {
      const head = this.#headOf(key, name);
      const open = !folded.has(key);
      head.update(ids.length, whole || this.#cursor === null, open);
      return [head.node, ...(open ? ids.flatMap(row) : [])];
    });
  }

  /**
   * @param {string} key
   * @param {string} name
   */
  #headOf(key, name) {
    const made = this.#heads.get(key);
    if (made) return made;
    const head = new GroupHead(name, () => this.#fold(key));
    this.#heads.set(key, head);
    return head;
  }

  /** @param {string} key  of a group that is to be folded, or not any more */
  #fold(key) {
    const { folded } = this.#settings;
    this.#settings.folded = folded.includes(key) ? folded.filter((each) => each !== key) : [...folded, key];
    this.#place();
    this.#autoLoad();
  }

  /** @param {readonly string[]} ids  shown until now, and maybe no more */
  #forget(ids) {
    const wanted = new Set([...this.#order, ...this.#live]);
    for (const id of ids) {
      if (wanted.has(id)) continue;
      this.#rows.get(id)?.node.remove();
      this.#rows.delete(id);
      this.#sessions.delete(id);
    }
  }

  /**
   * @param {string} id
   * @returns {string | null}
   */
  #titleOfParent(id) {
    const listed = this.#sessions.get(id);
    if (listed) return titleOf(listed);
    const known = this.#parents.get(id);
    if (known === undefined) void this.#fetchParent(id);
    return known ?? null;
  }

  /** @param {string} id */
  async #fetchParent(id) {
    this.#parents.set(id, null);
    try {
      this.#parents.set(id, titleOf(await this.#api.session(id, this.#leaving.signal)));
    } catch {
      return; // it is not here; the row says "another session"
    }
    for (const session of this.#sessions.values()) if (session.parent_scroll_id === id) this.#draw(session);
  }

  /**
   * @param {boolean} matching  whether something was asked for
   * @param {Progress | undefined} progress
   */
  #drawEmpty(matching, progress) {
    if (this.#order.length > 0) return;
    const { q } = this.#bar.filters;
    if (matching) {
      const title = q ? `Nothing found for “${oneLine(q, 60)}”` : 'No session is like that';
      replaceChildren(this.#status, message({ icon: 'search', title, text: this.#building ? 'Not everything has been looked at yet; what is found later comes in by itself.' : q ? 'Try fewer or other words, or clear the filters.' : 'Take away a filter or two.' }));
    } else if (this.#building) replaceChildren(this.#status, bones());
    else replaceChildren(this.#status, nothing(progress?.places ?? []));
  }

  /** @param {unknown} error */
  #missed(error) {
    const words = error instanceof ApiError ? error.message : 'Something went wrong.';
    this.#stale.hidden = false;
    const said = `${words} The list is as it was.`;
    if (this.#stale.textContent !== said) this.#stale.textContent = said;
  }

  /**
   * @param {unknown} error
   * @param {boolean} more
   */
  #failed(error, more) {
    const text = error instanceof ApiError ? error.message : 'Something went wrong.';
    const again = () => void (more ? this.#loadMore() : this.#reload());
    const retry = el('button', { class: 'button primary', text: 'Try again', attrs: { type: 'button' }, on: { click: again } });
    if (!more) {
      this.#takeLive([]);
      this.#arrange([]);
    }
    this.#autoLeft = 0;
    replaceChildren(this.#status, message({ icon: 'warning', title: 'The list could not be loaded', text, kind: 'error' }, retry));
  }

  /** @param {KeyboardEvent} event */
  #onKey = (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const { target, key } = event;
    const typing = target instanceof Element && target.closest('input, textarea, select');
    if (typing ? this.#typed(typing, key) : this.#pressed(key)) event.preventDefault();
  };

  /** From the box one comes down to what was found, and out of it. @param {Element} field @param {string} key */
  #typed(field, key) {
    if (!field.matches('[type=search]')) return false;
    if (key === 'ArrowDown') return this.#go('Home');
    if (key !== 'Escape') return false;
    if (!this.#bar.clear() && field instanceof HTMLElement) field.blur();
    return true;
  }

  /** @param {string} key @returns {boolean} whether it meant something */
  #pressed(key) {
    if (key === '/') {
      this.#bar.focus();
      return true;
    }
    if (key === 'Escape') return this.#bar.clear();
    const inList = this.#list.contains(document.activeElement);
    return (inList || key === 'j' || key === 'k') && this.#go(key);
  }

  /** To another row or head of a group. @param {string} key @returns {boolean} whether there is one */
  #go(key) {
    /** @type {HTMLElement[]} */
    const stops = [...this.#list.querySelectorAll('.row-link, .group-button')].filter((each) => each instanceof HTMLElement);
    const { activeElement: focused } = document;
    const within = focused && this.#list.contains(focused) ? focused.closest('li:has(> .row), li:has(> .group-head)') : null;
    const stop = stops[nextPlace(within ? stops.findIndex((each) => within.contains(each)) : -1, key, stops.length) ?? -1];
    stop?.focus();
    return stop !== undefined;
  }
}

/** How far the building of the catalogue has come; there only while it is on its way. */
class ProgressLine {
  #words = el('span', { class: 'progress-words' });
  #bar = el('div', { class: 'progress-bar', attrs: { role: 'progressbar', 'aria-label': 'Sessions', 'aria-valuemin': 0 } }, el('div', { class: 'progress-fill' }));
  node = el('div', { class: 'list-progress', hidden: true }, this.#words, this.#bar);

  /**
   * @param {string} verb
   * @param {Progress | undefined} progress
   */
  update(verb, progress) {
    this.node.hidden = progress === undefined || progress.complete;
    if (progress === undefined || progress.complete) return;
    const { looked_at: done, total } = progress;
    const number = (/** @type {number} */ n) => n.toLocaleString('en');
    this.#words.textContent = total ? `${verb} ${number(done)} of ${number(total)}` : `${verb} ${number(done)} so far`;
    this.#bar.classList.toggle('is-vague', !total);
    this.#bar.style.setProperty('--done', String(total ? Math.min(1, done / total) : 0));
    setAttribute(this.#bar, 'aria-valuemax', total || 0);
    if (total) setAttribute(this.#bar, 'aria-valuenow', done);
    else this.#bar.removeAttribute('aria-valuenow');
  }
}

/** @param {readonly string[]} places  where was looked */
function nothing(places) {
  const words = places.length > 0
    ? 'Scrollcast looked in these places:'
    : 'Scrollcast looked where it was told to, or else where the tools that it knows keep their sessions.';
  return el('div', { class: 'nothing' },
    message({ icon: 'folder', title: 'No sessions yet', text: words }),
    places.length > 0 && el('ul', { class: 'places' }, ...places.slice(0, 30).map((place) => el('li', {}, el('code', { text: oneLine(place, 200) })))),
    el('p', { class: 'nothing-next' }, el('code', { text: 'scrollcast doctor' }), ' says what it found in each place and what it could not read; ', el('code', { text: 'scrollcast serve PATH' }), ' looks somewhere else. This page notices by itself when there is something.'));
}

function bones() {
  const one = () => el('div', { class: 'bone-row' }, el('div', { class: 'bone w60' }), el('div', { class: 'bone w30' }));
  return el('div', { class: 'skeleton', attrs: { role: 'status', 'aria-label': 'Loading the list' } }, one(), one(), one(), one(), one());
}
