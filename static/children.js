/**
 * The sessions that a session started: subagents, each by the call that started it.
 *
 * @import { Api } from './api.js'
 * @import { SessionSummary } from './protocol.js'
 */

/** Sessions that one session may have started, as far as they are joined to their calls. */
const MAX_CHILDREN = 500;

/**
 * @param {Pick<Api, 'sessions'>} api
 * @param {string} scrollId
 * @param {AbortSignal} signal
 * @returns {Promise<ReadonlyMap<string, SessionSummary>>} by the id of the call
 */
export async function childrenOf(api, scrollId, signal) {
  const page = await api.sessions({ parent: scrollId, limit: MAX_CHILDREN }, signal);
  const own = page.sessions.filter((each) => each.parent_scroll_id === scrollId && each.parent_call_id);
  return new Map(own.map((each) => [String(each.parent_call_id), each]));
}
