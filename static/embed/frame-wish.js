/**
 * How a frame is to begin, by its address: `?t=90&speed=4&idle=2&autoplay=1&theme=dark`.
 *
 * @import { Moment } from '../deep-link.js'
 * @import { Theme } from '../settings.js'
 */

import { parseMoment } from '../deep-link.js';

/** @typedef {{ moment: Moment, theme: Theme, autoplay: boolean }} FrameWish */

/**
 * @param {string} search  with its `?`
 * @param {string} hash  with its `#`: a link to a moment, as the player's own page has them; the query counts more
 * @returns {FrameWish}
 */
export function frameWish(search, hash) {
  const query = new URLSearchParams(search);
  const fields = new URLSearchParams(hash.replace(/^#/, ''));
  for (const [name, value] of query) fields.set(name, value);
  const moment = parseMoment(fields.toString());
  const autoplay = ['1', 'true', ''].includes(query.get('autoplay') ?? '0');
  const theme = query.get('theme');
  const isPlaced = moment.tMs !== null || moment.seq !== null || moment.eventId !== null || moment.live;
  return {
    // One that waits shows what it begins with, not an empty page.
    moment: isPlaced || autoplay ? moment : { ...moment, seq: 0 },
    theme: theme === 'light' || theme === 'dark' ? theme : 'auto',
    autoplay,
  };
}
