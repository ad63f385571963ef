/**
 * Puts a player together, for whoever shows one: the page, a frame in somebody else's page, a file without a server.
 *
 * @import { Api } from './api.js'
 * @import { Moment } from './deep-link.js'
 * @import { Ports, Wish } from './session-client.js'
 * @import { Settings } from './settings.js'
 * @import { Place } from './views/player.js'
 */

import { parseMoment } from './deep-link.js';
import { END_MS, PlayerStore } from './player-store.js';
import { SessionClient } from './session-client.js';
import { Player } from './views/player.js';

/** A hidden tab gets no frames, but playback goes on. */
const HIDDEN_FRAME_MS = 100;

/**
 * @typedef {Object} World  what a player needs of its surroundings
 * @property {Api} api
 * @property {Ports} ports
 * @property {Settings} settings
 * @property {Moment} [moment]  where to begin and how; what the address says when left out
 * @property {boolean} [paused]  whether it waits to be played; when left out, who comes to an event comes to read it
 * @property {Place} [place]  where the player is; the page of a server when left out
 */

/**
 * A player of a session, connected, whose `node` is to be put in place.
 *
 * @param {string} scrollId
 * @param {World} world
 * @returns {Player}
 */
export function openPlayer(scrollId, { api, ports, settings, place = 'page', moment = parseMoment(location.hash), paused = moment.seq !== null || moment.eventId !== null }) {
  const store = new PlayerStore(scrollId, { ...wishOf(settings, moment), paused }, {
    api,
    connect: (wish, delegate) => new SessionClient(scrollId, wish, ports, delegate),
    now: ports.clock.now,
    after: ports.clock.after,
    soon: (action) => void (document.hidden ? setTimeout(action, HIDDEN_FRAME_MS) : requestAnimationFrame(action)),
  });
  const player = new Player(scrollId, store, settings, api, ports.clock, place);
  store.open();
  return player;
}

/**
 * @param {Settings} kept
 * @param {Moment} moment
 * @returns {Omit<Wish, 'paused'>}
 */
function wishOf(kept, moment) {
  const speed = moment.speed ?? kept.speed;
  const pace = moment.pace === undefined ? kept.pace : moment.pace;
  return {
    startMs: moment.live ? END_MS : (moment.tMs ?? 0),
    startSeq: moment.seq,
    startEvent: moment.eventId,
    meta: moment.eventId !== null && moment.meta,
    mode: speed === 'max' ? 'fast' : pace === 'reading' ? 'reading' : 'realtime',
    paced: pace === 'reading' ? 'reading' : 'realtime',
    speed: speed === 'max' ? 1 : speed,
    idle: pace === 'reading' ? null : pace,
  };
}
