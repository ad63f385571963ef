/**
 * Links to a moment: `#t=754&speed=4&idle=2`. Times are recorded time, in seconds or as `12:34` or `1:02:03`.
 */

/**
 * @typedef {Object} Moment
 * @property {number | null} tMs
 * @property {number | 'max' | null} speed
 * @property {number | 'off' | null} idle  seconds
 */

/**
 * @param {string} hash  with or without its `#`; what is not understood counts as left out
 * @returns {Moment}
 */
export function parseMoment(hash) {
  const fields = new URLSearchParams(hash.replace(/^#/, ''));
  const speed = fields.get('speed');
  const idle = fields.get('idle');
  return {
    tMs: parseTime(fields.get('t') ?? ''),
    speed: speed === 'max' ? 'max' : between(speed, 0.1, 100),
    idle: idle === 'off' ? 'off' : between(idle, 0.001, Infinity),
  };
}

/**
 * @param {number} tMs
 * @returns {string} a hash that leads there, to the second
 */
export function formatMoment(tMs) {
  return `#t=${Math.max(0, Math.floor(tMs / 1000))}`;
}

/**
 * @param {string} text
 * @returns {number | null} milliseconds
 */
export function parseTime(text) {
  if (/^\d+(\.\d+)?$/.test(text)) return Math.round(Number(text) * 1000);
  const match = /^(?:(\d+):)?(\d{1,3}):(\d{2})(?:\.\d+)?$/.exec(text);
  if (!match) return null;
  const [, hours, minutes, seconds] = match;
  return ((Number(hours ?? 0) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000;
}

/**
 * @param {string | null} text
 * @param {number} low
 * @param {number} high
 * @returns {number | null}
 */
function between(text, low, high) {
  const value = text === null || text.trim() === '' ? NaN : Number(text);
  return value >= low && value <= high ? value : null;
}
