/**
 * How a list that somebody looks at takes in a newer one: what is there keeps its place, what is new comes in beside
 * its neighbour, what is gone goes. Ids in, ids out.
 */

/**
 * @typedef {Object} Merged
 * @property {string[]} order
 * @property {number} added
 * @property {number} removed
 */

/**
 * @param {readonly string[]} shown  as they stand
 * @param {readonly string[]} fetched  the newest word on the beginning of the list, in the server's order
 * @param {boolean} whole  whether `fetched` is all that there is: then what is not in it is gone
 * @returns {Merged}
 */
export function merge(shown, fetched, whole) {
  const there = new Set(fetched);
  const known = new Set(shown);
  const kept = whole ? shown.filter((id) => there.has(id)) : [...shown];
  /** What comes after which: `''` for the beginning. @type {Map<string, string[]>} */
  const after = new Map();
  let neighbour = '';
  let added = 0;
  for (const id of fetched) {
    if (known.has(id)) neighbour = id;
    else {
      after.set(neighbour, [...(after.get(neighbour) ?? []), id]);
      added += 1;
    }
  }
  const order = [...(after.get('') ?? []), ...kept.flatMap((id) => [id, ...(after.get(id) ?? [])])];
  return { order, added, removed: shown.length - kept.length };
}
