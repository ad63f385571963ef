/**
 * The composition root: builds the rest, hands the parts to each other, and shows the page that the address names.
 *
 * @import { Ports, SocketLike, Wish } from './session-client.js'
 * @import { Settings } from './settings.js'
 */

import { api } from './api.js';
import { parseMoment } from './deep-link.js';
import { clear, find } from './dom.js';
import { PlayerStore } from './player-store.js';
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

/** @type {{ node: HTMLElement, dispose: () => void } | null} */
let page = null;
let shownPath = '';

function storageOrNull() {
  try {
    return window.localStorage;
  } catch {
    return null; // a browser may refuse even to say
  }
}

/** Shows what the address names, unless that is what is shown already. */
function route() {
  if (location.pathname === shownPath) return;
  shownPath = location.pathname;
  page?.dispose();
  clear(app);
  const session = /^\/sessions\/([^/]+)\/?$/.exec(location.pathname);
  page = session?.[1] ? playerPage(decodeURIComponent(session[1])) : new Catalogue(api, settings);
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
  const player = new Player(scrollId, store, settings, api);
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
  return { startMs: moment.tMs ?? 0, mode: speed === 'max' ? 'fast' : 'realtime', speed: speed === 'max' ? 1 : speed, idle, paused: false };
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
