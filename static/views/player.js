/**
 * The page that plays one session: everything around the conversation, and who tells whom.
 *
 * @import { Api } from '../api.js'
 * @import { PlayerStore, ReplayState } from '../player-store.js'
 * @import { Clock, Connection } from '../session-client.js'
 * @import { Settings } from '../settings.js'
 * @import { Action } from '../shortcuts.js'
 * @import { ExportDialog } from './export-dialog.js'
 * @import { PlanNow } from './plan-now.js'
 * @import { Transcript } from './transcript.js'
 */

import { request } from '../api.js';
import { rooted, sessionHref } from '../base.js';
import { painted } from '../browser.js';
import { formatEvent, formatMoment, parseMoment } from '../deep-link.js';
import { clear, el, icon, localLink, replaceChildren, setAttribute } from '../dom.js';
import { clock, dateTime, oneLine, relativeDate, span } from '../format.js';
import { inLaterFrame } from '../frames.js';
import { END_MS } from '../player-store.js';
import { Poller } from '../poller.js';
import { PACES, SPEEDS } from '../settings.js';
import { listen } from '../shortcuts.js';
import { turnBefore } from '../turns.js';
import { Announcer, SYNTHETIC_WORDS, Toasts, UNREACHABLE, brand, liveBadge, message, picture, pictureButton, themeButton } from './chrome.js';
import { Controls } from './controls.js';
import { FindStrip } from './find-strip.js';
import { Timeline } from './timeline.js';
import { TurnsPanel } from './turns-panel.js';

const NEAR_MS = 5_000;
const FAR_MS = 10_000;

/** So often the page asks whether the session is being written, and what it has started. */
const REFRESH_MS = 5_000;

/** Long enough to read two lines. */
const LONG_TOAST_MS = 7_000;

/** Below this width the list of turns lies over the conversation, and is closed to begin with. */
const WIDE = '(min-width: 1100px)';

/** A conversation waits so long for the colours of its code. */
const COLOURS_MS = 500;

const PANEL = 'M4 5h16M4 12h10M4 19h13';
const DOWNLOAD = 'M12 4v11m0 0 4.5-4.5M12 15l-4.5-4.5M5 19.5h14';
const SHARE = 'M8.6 10.7 15.4 7M8.6 13.3l6.8 3.7M20 5.5a2.5 2.5 0 1 1-5 0 2.5 2.5 0 0 1 5 0zM9 12a2.5 2.5 0 1 1-5 0 2.5 2.5 0 0 1 5 0zM20 18.5a2.5 2.5 0 1 1-5 0 2.5 2.5 0 0 1 5 0z';
const FULLSCREEN = 'M4 9V5a1 1 0 0 1 1-1h4M15 4h4a1 1 0 0 1 1 1v4M20 15v4a1 1 0 0 1-1 1h-4M9 20H5a1 1 0 0 1-1-1v-4';
const QUESTION = 'M9 9a3 3 0 1 1 4.2 2.75c-.8.4-1.2 1-1.2 1.9v.6M12 17.6v.1';

/**
 * Where a player is: on the page of a server, in a file without one, or in a frame of somebody else's page.
 *
 * @typedef {'page' | 'file' | 'frame'} Place
 */

export class Player {
  node;
  #scrollId;
  #place;
  #store;
  #settings;
  /** The conversation, once the modules that draw it are there. @type {Transcript | null} */
  #transcript = null;
  #timeline;
  #controls;
  #turns;
  /** @type {PlanNow | null} */
  #plan = null;
  #turnsButton;
  #thinking;
  #meta;
  #find;
  #poller;
  #heading = el('h1', { class: 'title', text: 'Session' });
  #facts = el('p', { class: 'facts' });
  #banner = el('div', { class: 'banner', hidden: true, attrs: { role: 'status' } });
  #notices = el('div', { class: 'notices' });
  #cover = el('div', { class: 'cover', hidden: true });
  /** Where the conversation comes to stand. */
  #stage = el('div', { class: 'stage' });
  /** Whether it cannot: the server went, or has other modules by now. A page that is loaded anew gets them. */
  #lacks = false;
  #toasts = new Toasts();
  #announcer = new Announcer();
  /** Made when it is first asked for. @type {HTMLDialogElement | null} */
  #help = null;
  /** Likewise, where there is a server to ask. @type {ExportDialog | null} */
  #export = null;
  #share = pictureButton(picture(SHARE), 'Share this session', '', () => void this.#openShares());
  /** @type {(() => void)[]} */
  #endings = [];
  #frame = 0;
  /** @type {ReplayState | null} */
  #drawn = null;
  /** What is shown already, so that nothing is drawn twice. */
  #shown = { head: '', banner: '', cover: '', notices: '', turn: -1, standing: '', resets: 0 };

  /**
   * @param {string} scrollId
   * @param {PlayerStore} store
   * @param {Settings} settings
   * @param {Api} api
   * @param {Clock} clock
   * @param {Place} [place]
   */
  constructor(scrollId, store, settings, api, clock, place = 'page') {
    this.#scrollId = scrollId;
    this.#place = place;
    this.#store = store;
    this.#settings = settings;
    this.#timeline = new Timeline(store);
    this.#turnsButton = el('button', {
      class: 'button quiet turns-button', attrs: { type: 'button', 'aria-controls': 'turns', 'aria-expanded': 'false' },
      on: { click: () => this.#toggleTurns() },
    }, picture(PANEL), el('span', { text: 'Turns' }));
    this.#controls = new Controls(store, settings, this.#timeline, this.#turnsButton);
    this.#turns = new TurnsPanel(store, () => matchMedia(WIDE).matches || this.#showTurns(false));
    this.#thinking = el('button', {
      class: 'panel-switch', attrs: { type: 'button', 'aria-pressed': settings.thinking, 'aria-keyshortcuts': 'h' }, on: { click: () => this.#toggleThinking() },
    }, icon('brain'), 'Show all thinking');
    this.#meta = el('button', {
      class: 'panel-switch', title: 'Changes of mode, permissions, and the like', attrs: { type: 'button', 'aria-pressed': false, 'aria-keyshortcuts': 'm' }, on: { click: () => this.#toggleMeta() },
    }, icon('system'), 'Show system events');
    this.#turns.node.append(this.#thinking, this.#meta);
    this.#find = new FindStrip(store);
    this.#poller = new Poller(async () => {
      store.dispatch({ type: 'refresh' });
      return REFRESH_MS;
    }, clock);
    this.#share.hidden = true;
    this.node = this.#build();
    void this.#beginConversation(api);
    if (place === 'page' && document.documentElement.dataset['asks'] !== undefined) void this.#learnWho();
    this.#showTurns(matchMedia(WIDE).matches && (settings.turns ?? true));
    this.#endings.push(
      store.subscribe(() => this.#request()),
      listen(document, (action, key) => this.#perform(action, key)),
      listenTo(window, 'hashchange', () => this.#goToHash()),
      listenTo(document, 'visibilitychange', () => this.#request()),
    );
    this.#poller.start(REFRESH_MS);
    store.dispatch({ type: 'find', q: parseMoment(location.hash).q });
    this.#request();
  }

  /** What it knows, and the way to command it from outside. */
  get store() {
    return this.#store;
  }

  dispose() {
    this.#poller.stop();
    for (const end of this.#endings) end();
    cancelAnimationFrame(this.#frame);
    this.#frame = -1;
    this.#store.close();
  }

  #build() {
    const top = el('header', { class: 'topbar' },
      this.#way(),
      el('div', { class: 'titles' }, this.#heading, this.#facts),
      el('div', { class: 'top-actions' },
        pictureButton(icon('link'), 'Copy a link to this moment', 'y', () => void this.#copyLink()),
        this.#share,
        this.#place === 'page' && pictureButton(picture(DOWNLOAD), 'Take this session away', '', () => void this.#showExport()),
        themeButton(this.#settings),
        pictureButton(picture(FULLSCREEN), 'Full screen', 'f', () => void this.#fullscreen()),
        pictureButton(picture(QUESTION), 'Help: keys and marks', '?', () => void this.#showHelp())));
    return el('div', { class: `player in-${this.#place}` }, top,
      el('div', { class: 'body' }, this.#turns.node,
        el('main', { class: 'main', on: { pointerdown: () => matchMedia(WIDE).matches || this.#showTurns(false) } }, this.#find.node, this.#banner, this.#notices, this.#stage, this.#cover)),
      this.#controls.node, this.#toasts.node, this.#announcer.node);
  }

  /**
   * The frame around the conversation is drawn first: that can be done without the modules that render messages.
   *
   * @param {Api} api
   */
  async #beginConversation(api) {
    await painted();
    const next = document.querySelector('template#next');
    if (next instanceof HTMLTemplateElement) next.replaceWith(next.content);
    const modules = await Promise.all([import('./transcript.js'), import('./plan-now.js'), import('../renderers/code.js')]).catch(() => null);
    // Text that stands is best left alone: its colours come with it, where they can.
    await Promise.race([modules?.[2].highlighting(), new Promise((resolve) => setTimeout(resolve, COLOURS_MS))]);
    if (this.#frame < 0) return;
    if (!modules) {
      this.#lacks = true;
      this.#drawn = null;
      return this.#request();
    }
    const [{ Transcript }, { PlanNow }] = modules;
    this.#transcript = new Transcript(this.#store, this.#settings, api, (seq, tMs) => void this.#copyEventLink(seq, tMs));
    this.#plan = new PlanNow(this.#store);
    this.#stage.replaceWith(this.#transcript.node);
    this.#thinking.before(this.#plan.node);
    this.#drawn = null;
    this.#request();
  }

  /** Back to the list, where there is one. */
  #way() {
    if (this.#place === 'file') return el('span', { class: 'back' }, brand());
    if (this.#place === 'frame') {
      return localLink(sessionHref(this.#scrollId), { class: 'back', title: 'Open in Scrollcast', attrs: { target: '_blank', rel: 'noopener', 'aria-label': 'Open in Scrollcast' } }, brand());
    }
    return localLink('/', { class: 'back', title: 'All sessions', attrs: { 'aria-label': 'Scrollcast: all sessions' } }, icon('arrow-left'), brand());
  }

  // ---------------------------------------------------------------------------------------------------- drawing

  #request() {
    if (this.#frame !== 0) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #draw() {
    const state = this.#store.getState();
    this.#drawBanner(state);
    if (state !== this.#drawn) this.#drawChange(state);
    this.#timeline.tick();
    this.#controls.tick();
    const moving = state.connection.status === 'waiting' || state.status === 'playing' || state.pendingMs !== null || this.#timeline.growing;
    if (moving) this.#request();
  }

  /** @param {ReplayState} state */
  #drawChange(state) {
    this.#drawn = state;
    if (this.#lacks && state.connection.status === 'open') location.reload();
    this.#drawHead(state);
    this.#drawNotices(state);
    this.#find.update(state);
    this.#drawCover(state);
    this.#timeline.update(state);
    this.#controls.update(state);
    this.#transcript?.update(state);
    if (!this.#turns.knows(state.timeline) || this.#transcript?.drawsAnew) inLaterFrame(this.#drawTurns); // much to lay out
    else this.#drawTurns();
    this.#plan?.update(state);
    setAttribute(this.#meta, 'aria-pressed', state.meta);
    this.#announce(state);
  }

  #drawTurns = () => {
    if (this.#frame >= 0) this.#turns.update(this.#store.getState()); // else it was left
  };

  /** @param {ReplayState} state */
  #drawHead({ session, live, parent, resets }) {
    if (resets !== this.#shown.resets) {
      this.#shown.resets = resets;
      this.#toasts.show('This session was rewritten on disk. It is shown as it is now.', LONG_TOAST_MS);
    }
    if (!session) return;
    const head = [session.title, session.agent, session.model, session.project, session.created_at, session.timing, live, parent?.title].join('\n');
    if (head === this.#shown.head) return;
    this.#shown.head = head;
    const title = oneLine(session.title ?? '', 200) || 'Session without a title';
    this.#heading.textContent = title;
    this.#heading.title = title;
    document.title = `${title} · Scrollcast`;
    const facts = [session.agent, session.model, session.project].filter((each) => each).map((each) => el('span', { class: 'fact', text: oneLine(String(each), 80) }));
    const when = session.created_at && el('span', { class: 'fact', text: relativeDate(session.created_at), title: dateTime(session.created_at) });
    const marks = [live && liveBadge(), session.parent_scroll_id ? parentLink(session.parent_scroll_id, parent?.title ?? '') : null, session.timing === 'synthetic' && this.#syntheticBadge()];
    replaceChildren(this.#facts, ...marks, ...facts, when);
  }

  /** A tooltip for who has a pointer, the same words on a tap for who has not. */
  #syntheticBadge() {
    return el('button', {
      class: 'badge synthetic', title: SYNTHETIC_WORDS, attrs: { type: 'button' }, on: { click: () => this.#toasts.show(SYNTHETIC_WORDS, LONG_TOAST_MS) },
    }, icon('clock'), 'no timestamps');
  }

  /** @param {ReplayState} state */
  #drawBanner({ connection, phase }) {
    const words = phase === 'ready' ? connectionWords(connection) : '';
    if (words === this.#shown.banner) return;
    this.#shown.banner = words;
    this.#banner.hidden = words === '';
    clear(this.#banner);
    if (!words) return;
    this.#banner.append(icon('warning'), el('span', { text: words }));
    if (connection.status !== 'connecting') this.#banner.append(this.#retryButton(connection.status === 'waiting' ? 'Try now' : 'Connect again'));
  }

  /** @param {ReplayState} state */
  #drawNotices({ notices }) {
    const ids = notices.map((each) => each.id).join();
    if (ids === this.#shown.notices) return;
    this.#shown.notices = ids;
    clear(this.#notices);
    this.#notices.append(...notices.map(({ id, level, message: words, lines }) => {
      const dismiss = () => this.#store.dispatch({ type: 'dismiss', id });
      const where = lines.length > 0 ? ` ${lines.length === 1 ? 'Line' : 'Lines'} ${lines.slice(0, 12).join(', ')}${lines.length > 12 ? ', …' : ''}.` : '';
      return el('div', { class: `notice ${level}`, attrs: { role: 'status' } }, icon(level === 'info' ? 'info' : 'warning'),
        el('p', { text: oneLine(words, 400) + where }), pictureButton(icon('cross'), 'Dismiss', '', dismiss));
    }));
  }

  /**
   * What lies over the conversation while there is none.
   *
   * @param {ReplayState} state
   */
  #drawCover({ phase, failure, connection, status, live, first, count: stop, cursor, returning }) {
    const count = stop - first;
    const coming = phase === 'ready' && (this.#transcript === null || (returning && cursor === first));
    const unreachable = phase === 'opening' && connection.status === 'waiting';
    const empty = phase === 'ready' && count === 0 && (status === 'ended' || status === 'live') && !live;
    const begins = phase === 'ready' && count === 0 && status === 'live' && live;
    const shows = empty ? 'empty' : begins ? 'begins' : coming ? 'opening' : phase === 'ready' ? '' : phase === 'failed' ? `failed ${failure?.message}` : unreachable ? 'unreachable' : 'opening';
    if (shows === this.#shown.cover) return;
    this.#shown.cover = shows;
    this.#cover.hidden = shows === '';
    clear(this.#cover);
    const back = localLink('/', { class: 'button', text: 'All sessions' });
    this.node.classList.toggle('is-failed', phase === 'failed' || empty);
    if (empty) this.#cover.append(message({ icon: 'file', title: 'This session has no messages', text: 'It was archived, but nothing was said in it.' }, back));
    else if (begins) this.#cover.append(message({ icon: 'clock', title: 'Nothing has been said yet', text: 'This session is being written. What is said in it appears here.' }));
    else if (phase === 'failed') this.#cover.append(failed(failure?.code ?? '', failure?.message ?? '', back, this.#retryButton('Try again')));
    else if (unreachable) this.#cover.append(message({ icon: 'warning', ...UNREACHABLE, kind: 'error' }, back, this.#retryButton('Try now')));
    else if (shows) this.#cover.append(skeleton());
  }

  /** @param {string} words */
  #retryButton(words) {
    return el('button', { class: 'button primary', text: words, attrs: { type: 'button' }, on: { click: () => this.#store.dispatch({ type: 'reconnect' }) } });
  }

  /** @param {ReplayState} state */
  #announce({ timeline, cursor, status, phase }) {
    if (phase !== 'ready') return;
    const turn = turnBefore(timeline, cursor);
    const said = turn && turn.label !== null && turn.number !== this.#shown.turn ? `Turn ${turn.number}: ${oneLine(turn.label, 120)}` : '';
    const standing = this.#store.atEnd() && status !== 'paused' ? 'End of the session' : this.#store.isLive() ? 'Live' : status === 'paused' ? 'Paused' : '';
    const changed = standing === this.#shown.standing ? '' : standing === 'Paused' ? `Paused at ${clock(this.#store.position())}` : standing;
    if (turn && turn.label !== null) this.#shown.turn = turn.number; // another time, where it is not known yet
    this.#shown.standing = standing;
    if (said || changed) this.#announcer.say([said, changed].filter((each) => each).join('. '));
  }

  // ---------------------------------------------------------------------------------------------------- commands

  /**
   * @param {Action} action
   * @param {string} key
   */
  #perform(action, key) {
    const send = this.#store.dispatch.bind(this.#store);
    const { durationMs, live } = this.#store.getState();
    const end = live ? /** @type {const} */ ({ type: 'go-live' }) : /** @type {const} */ ({ type: 'seek', tMs: END_MS });
    switch (action) {
      case 'toggle': return send({ type: 'toggle' });
      case 'back': return send({ type: 'seek-by', ms: -NEAR_MS });
      case 'forward': return send({ type: 'seek-by', ms: NEAR_MS });
      case 'far-back': return send({ type: 'seek-by', ms: -FAR_MS });
      case 'far-forward': return send({ type: 'seek-by', ms: FAR_MS });
      case 'next-turn': return send({ type: 'next', kind: 'turn' });
      case 'previous-turn': return send({ type: 'previous', kind: 'turn' });
      case 'next-tool': return send({ type: 'next', kind: 'tool' });
      case 'previous-tool': return send({ type: 'previous', kind: 'tool' });
      case 'next-error': return send({ type: 'next', kind: 'error' });
      case 'previous-error': return send({ type: 'previous', kind: 'error' });
      case 'step-back': return send({ type: 'step', by: -1, unit: 'event' });
      case 'step-forward': return send({ type: 'step', by: 1, unit: 'event' });
      case 'percent': return void (durationMs > 0 && send({ type: 'seek', tMs: (durationMs * Number(key)) / 10 }));
      case 'start': return send({ type: 'seek', tMs: 0 });
      case 'end': return send(end);
      case 'next-hit': return send({ type: 'next-hit' });
      case 'previous-hit': return send({ type: 'previous-hit' });
      case 'slower': return this.#changeSpeed(-1);
      case 'faster': return this.#changeSpeed(1);
      case 'normal-speed': return this.#setSpeed(1);
      case 'pace': return this.#nextPace();
      case 'max-speed': return this.#toggleMaxSpeed();
      case 'live': return send(end);
      case 'find': return this.#find.open();
      case 'thinking': return this.#toggleThinking();
      case 'meta': return this.#toggleMeta();
      case 'copy-link': return void this.#copyLink();
      case 'fullscreen': return void this.#fullscreen();
      case 'help': return void this.#showHelp();
    }
  }

  async #showHelp() {
    const helped = await this.#loaded(import('./help.js'));
    if (!helped) return;
    this.#help ??= helped.helpDialog();
    if (!this.#help.isConnected) this.node.append(this.#help);
    if (!this.#help.open) this.#help.showModal();
  }

  async #showExport() {
    const exported = await this.#loaded(import('./export-dialog.js'));
    if (!exported) return;
    if (!this.#export) {
      this.#export = new exported.ExportDialog(this.#scrollId, this.#store);
      this.node.append(this.#export.node);
    }
    this.#export.open();
  }

  /**
   * @template T
   * @param {Promise<T>} module
   * @returns {Promise<T | null>} `null` where it cannot be had, which is told
   */
  async #loaded(module) {
    try {
      return await module;
    } catch {
      this.#toasts.show('This cannot be loaded: the server is gone, or has another version by now. Reload the page.', LONG_TOAST_MS);
      return null;
    }
  }

  /** The owner may share; who was given a link has no list to go back to. */
  async #learnWho() {
    const who = await request('GET', `/api/access?session=${encodeURIComponent(this.#scrollId)}`).catch(() => null);
    const { owner } = /** @type {{ owner: boolean }} */ (who ?? { owner: false });
    this.#share.hidden = !owner;
    this.node.classList.toggle('is-shared', !owner);
  }

  async #openShares() {
    const { shareDialog } = await import('./share-dialog.js');
    const dialog = shareDialog(this.#scrollId);
    this.node.append(dialog);
    dialog.showModal();
  }

  #toggleMeta() {
    const on = !this.#store.getState().meta;
    this.#store.dispatch({ type: 'meta', on });
    this.#toasts.show(on ? 'With the events beside the messages' : 'Messages only');
  }

  #toggleThinking() {
    const open = !this.#settings.thinking;
    if (this.#transcript) this.#transcript.showThinking(open);
    else this.#settings.thinking = open;
    setAttribute(this.#thinking, 'aria-pressed', open);
    this.#toasts.show(open ? 'All thinking is shown' : 'All thinking is folded');
  }

  /** @param {1 | -1} by */
  #changeSpeed(by) {
    const { mode, speed } = this.#store.heading();
    const value = (/** @type {number | 'max'} */ each) => (each === 'max' ? Infinity : each);
    const now = mode === 'fast' ? Infinity : speed;
    const next = by > 0 ? SPEEDS.find((each) => value(each) > now) : SPEEDS.findLast((each) => value(each) < now);
    if (next !== undefined) this.#setSpeed(next);
  }

  #toggleMaxSpeed() {
    const { mode, speed } = this.#store.heading();
    this.#setSpeed(mode === 'fast' ? speed : 'max');
  }

  /** @param {number | 'max'} speed */
  #setSpeed(speed) {
    this.#settings.speed = speed;
    this.#store.dispatch({ type: 'speed', speed });
    this.#toasts.show(speed === 'max' ? 'As fast as possible' : `Speed ${speed}×`);
  }

  #nextPace() {
    const { paced, idle } = this.#store.heading();
    const pace = PACES[(PACES.indexOf(paced === 'reading' ? paced : idle) + 1) % PACES.length] ?? null;
    this.#settings.pace = pace;
    this.#store.dispatch({ type: 'pace', pace });
    this.#toasts.show(pace === null ? 'At the pace at which it happened' : pace === 'reading' ? 'At the pace at which it can be read' : `No silence longer than ${span(pace * 1000)}`);
  }

  async #copyLink() {
    const position = this.#store.position();
    await this.#copy(formatMoment(position), `Link to ${clock(position)}`);
  }

  /** @param {number} seq @param {number} tMs */
  async #copyEventLink(seq, tMs) {
    const envelope = this.#place === 'file' ? null : this.#store.log.get(seq); // in a file the numbers never change
    const byNumber = this.#store.getState().meta ? formatMoment(tMs) : `#seq=${seq}`;
    await this.#copy(envelope ? formatEvent(envelope) : byNumber, `Link to the message at ${clock(tMs)}`);
  }

  /**
   * @param {string} hash  what a link to this session ends with
   * @param {string} what  what it is, in words
   */
  async #copy(hash, what) {
    history.replaceState(history.state, '', hash);
    const url = this.#place === 'file' ? location.href : new URL(rooted(`/sessions/${encodeURIComponent(this.#scrollId)}${hash}`), location.href).href;
    try {
      await navigator.clipboard.writeText(url);
      this.#toasts.show(`${what} copied`);
    } catch {
      this.#toasts.show(`${what} is in the address bar`);
    }
  }

  async #fullscreen() {
    try {
      if (document.fullscreenElement) await document.exitFullscreen();
      else await document.documentElement.requestFullscreen();
    } catch {
      this.#toasts.show('The browser does not allow full screen here');
    }
  }

  #goToHash() {
    const { tMs, speed, pace, eventId, meta, seq, q, live } = parseMoment(location.hash);
    if (speed !== null) this.#store.dispatch({ type: 'speed', speed });
    if (pace !== undefined) this.#store.dispatch({ type: 'pace', pace });
    if (q !== (this.#store.getState().found?.q ?? '')) this.#store.dispatch({ type: 'find', q });
    if (eventId !== null && meta) this.#store.dispatch({ type: 'meta', on: true });
    if (eventId === null && seq !== null) this.#store.dispatch({ type: 'meta', on: false }); // its numbers are those of the messages
    if (live) this.#store.dispatch({ type: 'go-live' });
    else if (eventId !== null) this.#store.dispatch({ type: 'show-event', id: eventId });
    else if (seq !== null) this.#store.dispatch({ type: 'show', seq });
    else if (tMs !== null) this.#store.dispatch({ type: 'seek', tMs });
  }

  #toggleTurns() {
    const open = !this.node.classList.contains('turns-open');
    this.#showTurns(open);
    if (matchMedia(WIDE).matches) this.#settings.turns = open;
  }

  /** @param {boolean} open */
  #showTurns(open) {
    this.node.classList.toggle('turns-open', open);
    setAttribute(this.#turnsButton, 'aria-expanded', open);
  }
}

/**
 * @param {Connection} connection
 * @returns {string} nothing while all is well
 */
function connectionWords(connection) {
  switch (connection.status) {
    case 'waiting': {
      const seconds = Math.ceil((connection.retryAt - performance.now()) / 1000);
      return `Connection lost. Trying again ${seconds > 0 ? `in ${seconds} s` : 'now'}.`;
    }
    case 'connecting':
      return 'Connecting again…';
    case 'closed':
      return 'The server has closed the connection.';
    default:
      return '';
  }
}

/**
 * @param {string} code
 * @param {string} words
 * @param {...HTMLElement} actions
 */
function failed(code, words, ...actions) {
  const title = code === 'session_not_found' ? 'There is no such session' : code === 'archive_error' ? 'This session cannot be read' : 'This session cannot be played';
  return message({ icon: 'warning', title, text: words, kind: 'error' }, ...actions);
}

function skeleton() {
  const lines = [70, 92, 84, 40, 88, 95, 60];
  return el('div', { class: 'skeleton', attrs: { role: 'status', 'aria-label': 'Loading the session' } }, ...lines.map((width) => el('div', { class: `bone w${width}` })));
}

/**
 * @param {string} scrollId
 * @param {string | null} title
 */
function parentLink(scrollId, title) {
  const words = oneLine(title ?? '', 60) || 'another session';
  return localLink(sessionHref(scrollId), { class: 'badge parent', title: 'The session that started this one' }, icon('branch'), el('span', { class: 'parent-words', text: `part of ${words}` }));
}

/**
 * @param {EventTarget} target
 * @param {string} type
 * @param {() => void} listener
 * @returns {() => void}
 */
function listenTo(target, type, listener) {
  target.addEventListener(type, listener);
  return () => target.removeEventListener(type, listener);
}
