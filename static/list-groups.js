/**
 * The list by projects: which rows stand under which head. The groups stand in the order of their first sessions, so
 * that a further page adds rows to them and new groups below, and moves none.
 */

/**
 * @typedef {Object} Group
 * @property {string} key  what it is remembered by
 * @property {string} name  as it is shown
 * @property {boolean} whole  whether it holds all there are of its kind, whatever further pages bring
 * @property {string[]} ids
 */

const LIVE = 'live';

/**
 * @param {readonly string[]} order  ids, as the server sorted them
 * @param {readonly string[]} live  ids of the sessions that are being written: those come first
 * @param {((id: string) => string | null) | null} projectOf  `null` to keep all in one group, as they stand
 * @returns {Group[]} no empty one
 */
export function groupsOf(order, live, projectOf) {
  const first = new Set(live);
  const rest = order.filter((id) => !first.has(id));
  /** @type {Map<string, Group>} */
  const groups = new Map();
  if (live.length > 0) groups.set(LIVE, { key: LIVE, name: 'Live now', whole: true, ids: [...first] });
  for (const id of rest) {
    const project = projectOf ? projectOf(id) : null;
    const key = projectOf ? `project ${project ?? ''}` : 'all';
    const group = groups.get(key) ?? { key, name: projectOf ? project || 'No project' : 'All others', whole: false, ids: [] };
    group.ids.push(id);
    groups.set(key, group);
  }
  return [...groups.values()];
}

/**
 * Which one the keyboard goes to next.
 *
 * @param {number} at  where it is, -1 for nowhere
 * @param {string} key
 * @param {number} length
 * @returns {number | null} `null` where the key means nothing here, or there is nothing to go to
 */
export function nextPlace(at, key, length) {
  if (length === 0) return null;
  if (key === 'j' || key === 'ArrowDown') return Math.min(length - 1, at + 1);
  if (key === 'k' || key === 'ArrowUp') return Math.max(0, at - 1);
  if (key === 'Home') return 0;
  if (key === 'End') return length - 1;
  return null;
}
