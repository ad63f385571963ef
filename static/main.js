/**
 * The composition root: builds the rest, hands the parts to each other, and shows the page that the address names.
 *
 * @import { Ports, SocketLike, Wish } from './session-client.js'
 * @import { Settings } from './settings.js'
 */

import { api } from './api.js';
import { parseMoment } from './deep-link.js';
import { clear, find } from './dom.js';
import { END_MS, PlayerStore } from './player-store.js';
import { SessionClient } from './session-client.js';
import { createSettings } from './settings.js';
import { Catalogue } from './views/catalogue.js';
import { applyTheme } from './views/chrome.js';
import { Player } from './views/player.js';

/** A hidden tab gets no frames, but playback goes on. */
const HIDDEN_FRAME_MS = 100;

/** @type {Ports} */
const ports = {
  open: (path, protocol) => {
    const url = new URL(path, location.href);
    url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
    return /** @type {SocketLike} */ (new WebSocket(url, protocol));
  },
  clock: {
    now: () => performance.now(),
    after: (ms, action) => {
      const timer = setTimeout(action, ms);
      return () => clearTimeout(timer);
    },
  },
  random: Math.random,
};

const settings = createSettings(storageOrNull());
const app = find(document, '#app');

/** @type {Catalogue | Player | null} */
let page = null;
let shownPath = '';

/** The list as it was left, and how far down: who comes back from a session goes on there. @type {{ list: Catalogue | null, top: number }} */
const left = { list: null, top: 0 };

function storageOrNull() {
  try {
    return window.localStorage;
  } catch {
    return null; // a browser may refuse even to say
  }
}

/** Shows what the address names, unless that is what is shown already. */
function route() {
  if (location.pathname === shownPath) {
    if (page instanceof Catalogue) page.readAddress();
    return;
  }
  shownPath = location.pathname;
  leave();
  const session = /^\/sessions\/([^/]+)\/?$/.exec(location.pathname);
  if (session?.[1]) showPlayer(decodeURIComponent(session[1]));
  else showList();
}

function leave() {
  if (page instanceof Catalogue) {
    left.list = page;
    left.top = window.scrollY;
    page.hide();
  } else page?.dispose();
  clear(app);
}

function showList() {
  const list = left.list ?? new Catalogue(api, settings, ports.clock);
  page = list;
  app.append(list.node);
  list.show();
  window.scrollTo(0, left.list ? left.top : 0);
}

/** @param {string} scrollId */
function showPlayer(scrollId) {
  page = playerPage(scrollId);
  app.append(page.node);
  window.scrollTo(0, 0);
}

/** @param {string} scrollId */
function playerPage(scrollId) {
  const store = new PlayerStore(scrollId, wishOf(settings), {
    api,
    connect: (wish, delegate) => new SessionClient(scrollId, wish, ports, delegate),
    now: ports.clock.now,
    soon: (action) => void (document.hidden ? setTimeout(action, HIDDEN_FRAME_MS) : requestAnimationFrame(action)),
  });
  const player = new Player(scrollId, store, settings, api, ports.clock);
  store.open();
  return player;
}

/**
 * @param {Settings} kept
 * @returns {Wish}
 */
function wishOf(kept) {
  const moment = parseMoment(location.hash);
  const speed = moment.speed ?? kept.speed;
  const idle = moment.idle === 'off' ? null : (moment.idle ?? kept.idle);
  return {
    startMs: moment.live ? END_MS : (moment.tMs ?? 0),
    startSeq: moment.seq,
    mode: speed === 'max' ? 'fast' : 'realtime',
    speed: speed === 'max' ? 1 : speed,
    idle,
    paused: moment.seq !== null, // who comes to an event comes to read it
  };
}

/** Plain links of our own change the page without loading it. @param {MouseEvent} event */
function followLink(event) {
  const link = event.target instanceof Element ? event.target.closest('a') : null;
  if (!link || event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const url = new URL(link.href, location.href);
  const ours = url.origin === location.origin && (url.pathname === '/' || url.pathname.startsWith('/sessions/'));
  if (!ours || link.target || (url.hash && url.pathname === location.pathname)) return;
  event.preventDefault();
  history.pushState(null, '', url);
  route();
}

applyTheme(settings);
document.addEventListener('click', followLink);
window.addEventListener('popstate', route);
window.addEventListener('pagehide', () => page?.dispose());
window.addEventListener('pageshow', (event) => event.persisted && location.reload());
route();
