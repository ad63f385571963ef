/**
 * A port to the page that framed the player: commands in, facts out (`docs/embedding.md`).
 *
 * Who may frame it is the server's to say, and the browser's to see to (`frame-ancestors`); here the first port that
 * comes from the framing window is taken, and no other.
 *
 * @import { Command, PlayerStore, ReplayState } from '../player-store.js'
 */

/** What a page says to begin; a port comes with it. */
export const CONNECT = 'scrollcast:connect';

/** So often the time is told while it goes on. */
const TIME_MS = 250;

/** @typedef {{ command: string, value?: unknown }} Asked */

export class Remote {
  #store;
  /** @type {MessagePort | null} */
  #port = null;
  #told = '';

  /** @param {PlayerStore} store */
  constructor(store) {
    this.#store = store;
  }

  /**
   * @param {MessageEvent} event
   * @param {Window} framing
   */
  meet(event, framing) {
    const [port] = event.ports;
    if (this.#port || event.source !== framing || event.data !== CONNECT || !port) return;
    this.#port = port;
    port.onmessage = ({ data }) => this.#obey(data);
    this.#store.subscribe((state) => this.#tell(state));
    setInterval(() => this.#store.getState().status === 'playing' && this.#tell(this.#store.getState()), TIME_MS);
    this.#tell(this.#store.getState());
  }

  /** @param {unknown} asked */
  #obey(asked) {
    const command = commandOf(asked);
    if (command) this.#store.dispatch(command);
  }

  /** @param {ReplayState} state */
  #tell(state) {
    const facts = factsOf(state, this.#store.atEnd(), this.#store.position());
    const words = JSON.stringify(facts);
    if (words === this.#told) return;
    this.#told = words;
    this.#port?.postMessage(facts);
  }
}

/**
 * @param {unknown} asked  by another page: it may be anything
 * @returns {Command | null} `null` for what is no command
 */
export function commandOf(asked) {
  if (typeof asked !== 'object' || asked === null) return null;
  const { command, value } = /** @type {Asked} */ (asked);
  const number = typeof value === 'number' && Number.isFinite(value) ? value : null;
  switch (command) {
    case 'play':
    case 'pause':
    case 'toggle':
      return { type: command };
    case 'seek':
      return number === null ? null : { type: 'seek', tMs: Math.max(0, number * 1000) };
    case 'speed':
      if (value === 'max') return { type: 'speed', speed: 'max' };
      return number !== null && number >= 0.1 && number <= 100 ? { type: 'speed', speed: number } : null;
    case 'pace':
      if (value === null || value === 'reading') return { type: 'pace', pace: value };
      return number !== null && number > 0 ? { type: 'pace', pace: number } : null;
    case 'next-turn':
      return { type: 'next', kind: 'turn' };
    case 'previous-turn':
      return { type: 'previous', kind: 'turn' };
    default:
      return null;
  }
}

/**
 * @param {ReplayState} state
 * @param {boolean} atEnd
 * @param {number} positionMs
 */
export function factsOf({ phase, failure, status, mode, paced, speed, idle, durationMs, session, live }, atEnd, positionMs) {
  return {
    state: phase === 'failed' ? 'failed' : phase === 'opening' || status === null ? 'loading' : atEnd ? 'ended' : status === 'paused' ? 'paused' : 'playing',
    time: Math.round(positionMs) / 1000,
    duration: durationMs / 1000,
    speed: mode === 'fast' ? 'max' : speed,
    pace: paced === 'reading' ? 'reading' : idle,
    live,
    title: session?.title ?? '',
    error: failure?.message ?? null,
  };
}
