/**
 * The composition root: shows the page that the address names. Each page's modules are loaded when it is first shown, so
 * that neither waits for the other's; those of the other are fetched once there is nothing else to do.
 *
 * @import { Catalogue } from './views/catalogue.js'
 * @import { Player } from './views/player.js'
 */

import { api, locked, signIn } from './api.js';
import { unrooted } from './base.js';
import { browserPorts, storageOrNull, whenIdle } from './browser.js';
import { clear, find } from './dom.js';
import { createSettings } from './settings.js';
import { UNREACHABLE, applyTheme, message } from './views/chrome.js';

const settings = createSettings(storageOrNull());
const app = find(document, '#app');

const playerModule = () => import('./player-page.js');

/** So often it is looked whether a server is there that the modules can be had from. */
const RETRY_MS = 1_000;

/** @type {{ list: Catalogue } | { player: Player } | null} */
let page = null;
let shownPath = '';

/** The list as it was left, how far down, and what had focus: who comes back from a session goes on there. @type {{ list: Catalogue | null, top: number, focused: Element | null }} */
const left = { list: null, top: 0, focused: null };

/** Shows what the address names, unless that is what is shown already. */
async function route() {
  const path = location.pathname;
  if (path === shownPath) {
    if (page && 'list' in page) page.list.readAddress();
    return;
  }
  shownPath = path;
  if (page && 'list' in page) page.list.hide(); // it is still seen while the other's modules load, and asks for nothing
  const session = /^\/sessions\/([^/]+)\/?$/.exec(unrooted(path) ?? '');
  const show = session?.[1] ? await playerOf(decodeURIComponent(session[1])) : await listOf();
  if (path !== shownPath) return; // somebody has gone on meanwhile
  leave();
  show();
}

function leave() {
  if (page && 'list' in page) {
    left.list = page.list;
    left.top = window.scrollY;
    left.focused = document.activeElement;
    page.list.hide();
  } else page?.player.dispose();
  page = null;
  clear(app);
}

async function listOf() {
  const { Catalogue } = await import('./views/catalogue.js');
  return () => {
    const list = left.list ?? new Catalogue(api, settings, browserPorts.clock);
    page = { list };
    app.append(list.node);
    list.show();
    window.scrollTo(0, left.list ? left.top : 0);
    if (left.focused instanceof HTMLElement && list.node.contains(left.focused)) left.focused.focus({ preventScroll: true });
    whenIdle(() => void playerModule().catch(() => {})); // nothing is lost where it cannot be had yet
  };
}

/** @param {string} scrollId */
async function playerOf(scrollId) {
  const { openPlayer } = await playerModule();
  return () => {
    const player = openPlayer(scrollId, { api, ports: browserPorts, settings });
    page = { player };
    player.store.subscribe(({ failure, connection }) => {
      const error = connection.status === 'closed' ? connection.error : failure;
      if (error?.code === 'unauthenticated') lock(error.message);
    });
    app.append(player.node);
    window.scrollTo(0, 0);
  };
}

/** Shows nothing but why, and asks for the token. @param {string} words */
function lock(words) {
  locked.act = () => {};
  leave();
  page = null;
  left.list = null;
  shownPath = '';
  void import('./views/gate.js').then(({ gate }) => {
    clear(app);
    app.append(gate(words, () => location.reload()));
    find(app, 'input').focus();
  });
}

/** A link may hold what opens the server, or one session. It is taken out of the address before anything else. */
async function enter() {
  const fields = new URLSearchParams(location.hash.slice(1));
  const secret = fields.get('login') ?? fields.get('share');
  locked.act = lock;
  if (!secret) return go();
  for (const name of ['login', 'share']) fields.delete(name);
  history.replaceState(null, '', `${location.pathname}${location.search}${fields.size > 0 ? `#${fields}` : ''}`);
  try {
    await signIn(secret);
    go();
  } catch (error) {
    lock(error instanceof Error ? error.message : '');
  }
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
  go();
}

function go() {
  const first = page === null;
  route().catch((error) => {
    if (first) throw error;
    void comeBack();
  });
}

/** The modules cannot be had: the server is gone, or has others by now, which a page that is loaded anew gets. */
async function comeBack() {
  leave();
  app.append(message({ icon: 'warning', ...UNREACHABLE, kind: 'error' }));
  while (!(await api.answers())) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  location.reload();
}

applyTheme(settings);
document.addEventListener('click', followLink);
window.addEventListener('popstate', go);
window.addEventListener('pagehide', () => page && ('list' in page ? page.list : page.player).dispose());
window.addEventListener('pageshow', (event) => event.persisted && location.reload());
window.addEventListener('hashchange', () => /[#&](login|share)=/.test(location.hash) && location.reload());
void enter();
