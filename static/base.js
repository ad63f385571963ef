/**
 * Where the server is, as the browser sees it: behind a proxy its root may have a path of its own.
 */

/** The path of the server's root, with a slash at its end. */
export const BASE = globalThis.document?.documentElement?.dataset?.['base'] ?? '/';

/** What leads to a session, before its id: on a server a path, in an exported file a query of the file's own address. */
const SESSIONS = globalThis.document?.documentElement?.dataset?.['sessions'] ?? '/sessions/';

/** @param {string} scrollId @returns {string} the address of a session's page, as `dom.js` takes it */
export function sessionHref(scrollId) {
  return SESSIONS + encodeURIComponent(scrollId);
}

/**
 * @param {string} path  from the server's root, such as `/api/sessions`
 * @returns {string} the same from the browser's
 */
export function rooted(path) {
  return BASE + path.slice(1);
}

/**
 * @param {string} pathname  of an address in the browser
 * @returns {string | null} the same from the server's root; `null` when it is none of the server's
 */
export function unrooted(pathname) {
  return pathname.startsWith(BASE) ? pathname.slice(BASE.length - 1) : null;
}
