/**
 * The server's HTTP routes, as promises; and what went wrong, in words for people.
 *
 * @import { EventPage, Facets, Hit, SessionPage, SessionSummary, TimelineAnswer, TurnPage, Unrecognised } from './protocol.js'
 */

import { rooted } from './base.js';
import { Pairs } from './pairs.js';

/** As over the socket: longer parts come cut, with an address for the rest. */
const PREVIEW_BYTES = 65_536;

/** The server said no, or could not be reached (`status` 0). */
export class ApiError extends Error {
  name = 'ApiError';

  /**
   * @param {number} status
   * @param {string} code
   * @param {string} message
   */
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/**
 * @typedef {Object} Query
 * @property {string} [q]  words to look for in what was said
 * @property {string} [sort]
 * @property {string} [agent]
 * @property {string} [project]
 * @property {string} [model]
 * @property {string} [after]  RFC 3339, on the date of creation
 * @property {string} [before]
 * @property {1} [errors]
 * @property {1} [live]
 * @property {string} [parent]  only the sessions that this one started
 * @property {string} [cursor]
 * @property {number} [limit]
 */

/** Shown with each request where no cookie is sent along: in a frame of somebody else's page. */
export const shown = { token: '' };

/** What is to be done where the server does not know who asks for the list. */
export const locked = { act: (/** @type {string} */ _words) => {} };

/** @param {string} token  the owner's, or what stands in a link @throws {ApiError} */
export const signIn = (token) => request('POST', '/api/access', { token });

/**
 * @param {string} method
 * @param {string} path
 * @param {object} [body]
 * @returns {Promise<unknown>}
 * @throws {ApiError}
 */
export async function request(method, path, body) {
  const response = await get(rooted(path), undefined, { method, ...(body && { body: JSON.stringify(body) }) });
  return response.status === 204 ? null : response.json();
}

export const api = {
  /**
   * @param {Query} query
   * @param {AbortSignal} [signal]
   * @returns {Promise<SessionPage>}
   */
  sessions: (query, signal) => getJson(`/api/sessions${search({ ...query })}`, signal).catch((error) => {
    if (error instanceof ApiError && error.status === 401 && !query.parent) locked.act(error.message);
    throw error;
  }),

  /**
   * @param {string} scrollId
   * @param {AbortSignal} [signal]
   * @returns {Promise<SessionSummary>}
   */
  session: (scrollId, signal) => getJson(`/api/sessions/${encodeURIComponent(scrollId)}`, signal),

  /**
   * @param {string} scrollId
   * @param {AbortSignal} [signal]
   * @param {{ most?: number, meta?: boolean }} [query]  how much is listed of each kind, and whether meta events are
   *   numbered too
   * @returns {Promise<TimelineAnswer>}
   */
  timeline: (scrollId, signal, query = {}) => getJson(`/api/sessions/${encodeURIComponent(scrollId)}/timeline${search(query)}`, signal),

  /**
   * All of what a timeline leaves out because there is much of it: the ends of gaps, or the event and time of each turn.
   *
   * @param {string} scrollId
   * @param {'gaps' | 'turns'} name
   * @param {AbortSignal} [signal]
   * @param {{ meta?: boolean }} [query]
   * @returns {Promise<Pairs>}
   */
  table: async (scrollId, name, signal, query = {}) => {
    const response = await get(rooted(`/api/sessions/${encodeURIComponent(scrollId)}/timeline/${name}${search(query)}`), signal);
    return Pairs.read(await response.arrayBuffer());
  },

  /**
   * @param {string} scrollId
   * @param {{ start: number, limit: number, meta?: boolean }} range  from the turn after so many
   * @param {AbortSignal} [signal]
   * @returns {Promise<TurnPage>}
   */
  turns: (scrollId, range, signal) => getJson(`/api/sessions/${encodeURIComponent(scrollId)}/turns${search(range)}`, signal),

  /**
   * @param {string} scrollId
   * @param {{ start_seq: number, limit: number, meta?: boolean }} range
   * @param {AbortSignal} [signal]
   * @returns {Promise<EventPage>}
   */
  events: (scrollId, range, signal) =>
    getJson(`/api/sessions/${encodeURIComponent(scrollId)}/events${search({ ...range, preview: PREVIEW_BYTES })}`, signal),

  /**
   * Where in one session something was said, in order.
   *
   * @param {string} scrollId
   * @param {{ q: string, limit: number }} query
   * @param {AbortSignal} [signal]
   * @returns {Promise<{ hits: Hit[], complete: boolean }>}  not complete as long as there is text that cannot be searched yet
   */
  hits: (scrollId, query, signal) => getJson(`/api/sessions/${encodeURIComponent(scrollId)}/search${search(query)}`, signal),

  /**
   * What there is to filter by.
   *
   * @param {AbortSignal} [signal]
   * @returns {Promise<Facets>}
   */
  facets: (signal) => getJson('/api/facets', signal),

  /**
   * The files that no reader knows.
   *
   * @param {AbortSignal} [signal]
   * @returns {Promise<Unrecognised>}
   */
  unrecognised: (signal) => getJson('/api/unrecognised', signal),

  /** Whether there is a server. */
  answers: async () => {
    try {
      await get(rooted('/healthz'));
      return true;
    } catch {
      return false;
    }
  },

  /**
   * The whole of a part that came cut.
   *
   * @param {string} href
   * @returns {Promise<Blob>} its text may be too long for a page's heap
   */
  text: async (href) => (await get(href)).blob(),
};

/** @typedef {typeof api} Api */

/**
 * @param {Record<string, string | number | boolean | undefined>} values
 * @returns {string}
 */
function search(values) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined && value !== '') query.set(name, String(value));
  }
  const text = query.toString();
  return text ? `?${text}` : '';
}

/**
 * @param {string} path
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
async function getJson(path, signal) {
  const response = await get(rooted(path), signal);
  try {
    return await response.json();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(response.status, 'bad_answer', 'The server answered with something that is not JSON.');
  }
}

/**
 * @param {string} address
 * @param {AbortSignal} [signal]
 * @param {RequestInit} [more]
 * @returns {Promise<Response>}
 * @throws {ApiError}
 */
async function get(address, signal, more = {}) {
  /** @type {Response} */
  let response;
  try {
    /** @type {Record<string, string>} */
    const headers = { ...(shown.token && { authorization: `Bearer ${shown.token}` }), ...(more.body && { 'content-type': 'application/json' }) };
    response = await fetch(address, { ...more, headers, ...(signal && { signal }) });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, 'unreachable', 'The server cannot be reached. It may have been stopped.');
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

/**
 * @param {Response} response  an answer that is an error; by RFC 9457 where it is one of ours
 * @returns {Promise<ApiError>}
 */
async function refusal(response) {
  const problem = await response.json().catch(() => null);
  const said = problem?.detail ?? problem?.title;
  const words = typeof said === 'string' ? said : `The server answered ${response.status} ${response.statusText}`.trim();
  return new ApiError(response.status, typeof problem?.code === 'string' ? problem.code : `http_${response.status}`, words);
}
