/**
 * The composition root of a frame in somebody else's page: the player, and a port to whoever framed it.
 *
 * `docs/embedding.md` is the contract. Nothing is kept in the browser here: a frame begins as its address says.
 */

import { api, shown } from '../api.js';
import { unrooted } from '../base.js';
import { browserPorts } from '../browser.js';
import { find, setAttribute } from '../dom.js';
import { openPlayer } from '../player-page.js';
import { createSettings } from '../settings.js';
import { applyTheme } from '../views/chrome.js';
import { frameWish } from './frame-wish.js';
import { Remote } from './remote.js';

/** What is chosen in a frame is forgotten with it. */
function forgetful() {
  /** @type {Map<string, string>} */
  const kept = new Map();
  return { getItem: (/** @type {string} */ name) => kept.get(name) ?? null, setItem: (/** @type {string} */ name, /** @type {string} */ value) => void kept.set(name, value) };
}

// No cookie of ours is sent from a frame in another site's page: what the link holds is shown each time, and kept nowhere.
shown.token = new URLSearchParams(location.hash.slice(1)).get('share') ?? '';

const { moment, theme, autoplay } = frameWish(location.search, location.hash);
const settings = createSettings(forgetful());
settings.theme = theme;
settings.turns = false;
applyTheme(settings);

const scrollId = decodeURIComponent(/^\/embed\/([^/]+)\/?$/.exec(unrooted(location.pathname) ?? '')?.[1] ?? '');
const player = openPlayer(scrollId, { api, ports: browserPorts, settings, moment, paused: !autoplay, place: 'frame' });
find(document, '#app').append(player.node);
window.addEventListener('pagehide', () => player.dispose());
window.addEventListener('pageshow', (event) => event.persisted && location.reload());

/** Other pages of ours do not stand in frames: they open beside. */
document.addEventListener('click', ({ target }) => {
  const link = target instanceof Element ? target.closest('a') : null;
  if (!link || link.target || link.getAttribute('href')?.startsWith('#')) return;
  setAttribute(link, 'target', '_blank');
  setAttribute(link, 'rel', 'noopener');
}, { capture: true });

const remote = new Remote(player.store);
window.addEventListener('message', (event) => remote.meet(event, window.parent));
