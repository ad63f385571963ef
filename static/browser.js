/**
 * What a page uses of the browser around it.
 *
 * @import { Ports, SocketLike } from './session-client.js'
 */

import { shown } from './api.js';
import { rooted } from './base.js';

/** When there is nothing more to do, for browsers that do not say. */
const IDLE_MS = 1_000;

/** A browser's clock, chance, and sockets to the server that the page came from. @type {Ports} */
export const browserPorts = {
  open: (path, protocol) => {
    const url = new URL(rooted(path), location.href);
    url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
    return /** @type {SocketLike} */ (new WebSocket(url, shown.token ? [protocol, `scrollcast.token.${shown.token}`] : protocol));
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

/** Where choices are kept; `null` where the browser does not allow it. */
export function storageOrNull() {
  try {
    return window.localStorage;
  } catch {
    return null; // a browser may refuse even to say
  }
}

/** A tab that is not looked at draws no frames; what waits for one waits so long at most. */
const FRAME_MS = 250;

/** When what stands in the document by now has been painted. @returns {Promise<void>} */
export const painted = () => new Promise((resolve) => {
  const late = setTimeout(resolve, FRAME_MS);
  requestAnimationFrame(() => {
    clearTimeout(late);
    setTimeout(resolve); // the frame is painted before that
  });
});

/** Once there is nothing more urgent to do. @param {() => void} action */
export function whenIdle(action) {
  if ('requestIdleCallback' in window) window.requestIdleCallback(action);
  else setTimeout(action, IDLE_MS);
}
