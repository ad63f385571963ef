/**
 * The composition root: shows the page that the address names.
 *
 * @import { Player } from './views/player.js'
 */

import { api } from './api.js';
import { unrooted } from './base.js';
import { clear, find } from './dom.js';
import { browserPorts, openPlayer, storageOrNull } from './player-page.js';
import { createSettings } from './settings.js';
import { Catalogue } from './views/catalogue.js';
import { applyTheme } from './views/chrome.js';

const settings = createSettings(storageOrNull());
const app = find(document, '#app');

/** @type {Catalogue | Player | null} */
let page = null;
let shownPath = '';

/** The list as it was left, and how far down: who comes back from a session goes on there. @type {{ list: Catalogue | null, top: number }} */
const left = { list: null, top: 0 };

/** Shows what the address names, unless that is what is shown already. */
function route() {
  if (location.pathname === shownPath) {
    if (page instanceof Catalogue) page.readAddress();
    return;
  }
  shownPath = location.pathname;
  leave();
  const session = /^\/sessions\/([^/]+)\/?$/.exec(unrooted(location.pathname) ?? '');
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
  const list = left.list ?? new Catalogue(api, settings, browserPorts.clock);
  page = list;
  app.append(list.node);
  list.show();
  window.scrollTo(0, left.list ? left.top : 0);
}

/** @param {string} scrollId */
function showPlayer(scrollId) {
  page = openPlayer(scrollId, { api, ports: browserPorts, settings });
  app.append(page.node);
  window.scrollTo(0, 0);
}

/** Plain links of our own change the page without loading it. @param {MouseEvent} event */
function followLink(event) {
  const link = event.target instanceof Element ? event.target.closest('a') : null;
  if (!link || event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const url = new URL(link.href, location.href);
  const path = url.origin === location.origin ? unrooted(url.pathname) : null;
  const ours = path === '/' || path?.startsWith('/sessions/');
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
