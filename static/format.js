/** How times, sizes and texts are written for people. Pure: strings and numbers in, strings out. */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/**
 * A point of a timeline: `3:41`, `1:02:03`.
 *
 * @param {number} ms
 */
export function clock(ms) {
  const whole = Math.max(0, Math.floor((Number.isFinite(ms) ? ms : 0) / SECOND));
  const seconds = String(whole % 60).padStart(2, '0');
  const minutes = Math.floor(whole / 60) % 60;
  const hours = Math.floor(whole / 3600);
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, '0')}:${seconds}` : `${minutes}:${seconds}`;
}

/**
 * A length of time, in its two largest units: `240 ms`, `4.2 s`, `41 s`, `3 min 20 s`, `3 h 12 min`, `2 d 4 h`.
 *
 * @param {number} ms
 */
export function span(ms) {
  if (!Number.isFinite(ms) || ms <= 0) return '0 s';
  if (ms < SECOND) return `${Math.round(ms)} ms`;
  if (ms < 9.95 * SECOND) return `${trimmed(ms / SECOND)} s`;
  const whole = Math.round(ms / SECOND) * SECOND;
  if (whole < MINUTE) return `${whole / SECOND} s`;
  if (whole < HOUR) return pair(whole, MINUTE, 'min', SECOND, 's');
  if (whole < DAY) return pair(whole, HOUR, 'h', MINUTE, 'min');
  return pair(whole, DAY, 'd', HOUR, 'h');
}

/** @param {number} ms @param {number} big @param {string} bigName @param {number} small @param {string} smallName */
function pair(ms, big, bigName, small, smallName) {
  const rest = Math.floor((ms % big) / small);
  return `${Math.floor(ms / big)} ${bigName}${rest > 0 ? ` ${rest} ${smallName}` : ''}`;
}

/**
 * A size: `812 B`, `1.2 KB`, `64 KB`, `1.0 MB`. Units of 1000.
 *
 * @param {number} n
 */
export function bytes(n) {
  if (!Number.isFinite(n) || n < 0) return '0 B';
  if (n < 1000) return `${Math.round(n)} B`;
  const units = ['KB', 'MB', 'GB', 'TB'];
  let value = n / 1000;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/**
 * A number for a tight place: `812`, `1.2k`, `64k`, `3.4M`.
 *
 * @param {number} n
 */
export function compactNumber(n) {
  if (!Number.isFinite(n)) return '0';
  if (Math.abs(n) < 1000) return String(Math.round(n));
  for (const [size, name] of /** @type {[number, string][]} */ ([[1e3, 'k'], [1e6, 'M'], [1e9, 'G']])) {
    const value = n / size;
    if (Math.abs(value) < 999.5 || name === 'G') return `${Math.abs(value) < 9.95 ? trimmed(value) : Math.round(value)}${name}`;
  }
  return String(n);
}

/** @param {number} value  one digit after the point, none where it is 0 */
function trimmed(value) {
  return value.toFixed(1).replace(/\.0$/, '');
}

/**
 * Made when it is first needed: each takes some milliseconds, for which nothing else could be drawn.
 *
 * @template T
 * @param {() => T} make
 * @returns {() => T}
 */
function lazily(make) {
  /** @type {T | undefined} */
  let made;
  return () => (made ??= make());
}

const numbers = lazily(() => new Intl.NumberFormat('en'));
const datesWithTime = lazily(() => new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' }));
const dates = lazily(() => new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' }));

/**
 * A date and time as the viewer writes them; the text itself where it is no date.
 *
 * @param {string | null | undefined} iso
 */
export function dateTime(iso) {
  const time = Date.parse(iso ?? '');
  return Number.isNaN(time) ? safeText(iso ?? '') : datesWithTime().format(time);
}

/**
 * How long ago that was: `just now`, `5 min ago`, `3 h ago`, `yesterday`, `4 days ago`, then the date.
 *
 * @param {string | null | undefined} iso
 * @param {number} [now]  milliseconds since 1970
 */
export function relativeDate(iso, now = Date.now()) {
  const time = Date.parse(iso ?? '');
  if (Number.isNaN(time)) return safeText(iso ?? '');
  const ago = now - time;
  if (ago < -MINUTE) return dates().format(time);
  if (ago < MINUTE) return 'just now';
  if (ago < HOUR) return `${Math.floor(ago / MINUTE)} min ago`;
  if (ago < DAY) return `${Math.floor(ago / HOUR)} h ago`;
  if (ago < 2 * DAY) return 'yesterday';
  if (ago < 7 * DAY) return `${Math.floor(ago / DAY)} days ago`;
  return dates().format(time);
}

// Tab, newline and carriage return stay; so does every other character that people write with.
const INVISIBLE = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

/** @type {ReadonlyMap<number, string>} */
const BIDI_NAMES = new Map([
  [0x202a, 'LRE'], [0x202b, 'RLE'], [0x202c, 'PDF'], [0x202d, 'LRO'], [0x202e, 'RLO'],
  [0x2066, 'LRI'], [0x2067, 'RLI'], [0x2068, 'FSI'], [0x2069, 'PDI'],
]);

/**
 * Text with its invisible controls made visible, so that what one reads is what is there: NUL as `␀`, a right-to-left
 * override as `⟦RLO⟧`. Nothing else is changed.
 *
 * @param {string} text
 */
export function safeText(text) {
  return text.replace(INVISIBLE, (character) => {
    const code = character.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    if (code === 0x7f) return '\u2421';
    if (code < 0xa0) return `⟦${code.toString(16).toUpperCase()}⟧`;
    return `⟦${BIDI_NAMES.get(code)}⟧`;
  });
}

/**
 * One line for a summary: runs of white space become one space, at most `limit` characters.
 *
 * @param {string} text
 * @param {number} [limit]
 */
export function oneLine(text, limit = 160) {
  // Only the beginning is looked at: the text may be a megabyte without a newline.
  const line = safeText(text.slice(0, limit * 4).replace(/\s+/g, ' ').trim());
  return line.length > limit || text.length > limit * 4 ? `${line.slice(0, limit - 1).trimEnd()}…` : line;
}

/**
 * `1 line`, `2 lines`.
 *
 * @param {number} n
 * @param {string} noun
 */
export function count(n, noun) {
  return `${numbers().format(n)} ${noun}${n === 1 ? '' : 's'}`;
}
