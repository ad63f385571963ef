/**
 * How close events lie to each other along the recorded time, for the seek bar.
 *
 * @import { Density } from './protocol.js'
 */

/** As many as the server counts (`docs/protocol.md`, HTTP). */
const BUCKETS = 200;

/**
 * What the server's timeline says, for a session that has none.
 *
 * @param {readonly number[]} times  recorded time of each event, in order
 * @returns {Density}
 */
export function densityOf(times) {
  const bucketMs = (times.at(-1) ?? 0) / BUCKETS;
  /** @type {number[]} */
  const counts = bucketMs > 0 ? new Array(BUCKETS).fill(0) : [];
  for (const time of bucketMs > 0 ? times : []) {
    const bucket = Math.min(BUCKETS - 1, Math.floor(time / bucketMs));
    counts[bucket] = (counts[bucket] ?? 0) + 1;
  }
  return { bucket_ms: bucketMs, counts };
}

/**
 * The outline of an area whose height tells how many events there are, the most being as high as it gets. Many are not
 * much higher than some: what matters is where something happens at all.
 *
 * @param {Density} density
 * @param {(tMs: number) => number} xOf
 * @param {number} base  the y below which nothing is drawn
 * @param {number} height
 * @returns {string} a path, or nothing
 */
export function densityPath({ bucket_ms: bucketMs, counts }, xOf, base, height) {
  const most = Math.log1p(Math.max(0, ...counts));
  if (most === 0) return '';
  let path = `M${xOf(0).toFixed(1)},${base}`;
  counts.forEach((count, bucket) => {
    const y = (base - (Math.log1p(count) / most) * height).toFixed(1);
    path += `L${xOf(bucket * bucketMs).toFixed(1)},${y}L${xOf((bucket + 1) * bucketMs).toFixed(1)},${y}`;
  });
  return `${path}L${xOf(counts.length * bucketMs).toFixed(1)},${base}Z`;
}
