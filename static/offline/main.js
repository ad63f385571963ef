/**
 * The composition root of an exported file: the page's player, with the file in place of the server.
 *
 * The address says which of the file's sessions is played (`?session=…`): the one that was exported unless it names one
 * that this one started.
 *
 * @import { Read } from './pack.js'
 */

import { browserPorts, storageOrNull } from '../browser.js';
import { find } from '../dom.js';
import { openPlayer } from '../player-page.js';
import { createSettings } from '../settings.js';
import { applyTheme } from '../views/chrome.js';
import { createOfflineApi } from './api.js';
import { Packs } from './pack.js';
import { OfflineSocket } from './socket.js';

/** @param {Read} read  the text of a block of the file */
export async function start(read) {
  const packs = await Packs.open(read);
  const named = new URLSearchParams(location.search).get('session') ?? '';
  const pack = (await packs.pack(named)) ?? (await packs.first());
  const settings = createSettings(storageOrNull());
  applyTheme(settings);
  const player = openPlayer(pack.session.scroll_id, {
    api: createOfflineApi(packs),
    ports: { ...browserPorts, open: (path) => new OfflineSocket(pack, path, browserPorts.clock) },
    settings,
    place: 'file',
  });
  find(document, '#app').append(player.node);
}
