/**
 * The composition root of an exported file: the page's player, with the file in place of the server.
 *
 * @import { Read } from './pack.js'
 */

import { browserPorts, storageOrNull } from '../browser.js';
import { find } from '../dom.js';
import { openPlayer } from '../player-page.js';
import { createSettings } from '../settings.js';
import { applyTheme } from '../views/chrome.js';
import { createOfflineApi } from './api.js';
import { Pack } from './pack.js';
import { OfflineSocket } from './socket.js';

/** @param {Read} read  the text of a block of the file */
export async function start(read) {
  const pack = await Pack.open(read);
  const settings = createSettings(storageOrNull());
  applyTheme(settings);
  const player = openPlayer(pack.session.scroll_id, {
    api: createOfflineApi(pack),
    ports: { ...browserPorts, open: (path) => new OfflineSocket(pack, path, browserPorts.clock) },
    settings,
    place: 'file',
  });
  find(document, '#app').append(player.node);
}
