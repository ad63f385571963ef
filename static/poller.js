/**
 * Does something again and again, while the page is looked at: never twice at once, never behind another tab.
 *
 * @import { Clock } from './session-client.js'
 */

/**
 * @typedef {Object} Attention  whether anybody looks
 * @property {() => boolean} given
 * @property {(action: () => void) => () => void} onReturn  calls `action` each time when somebody looks again
 */

/** @type {Attention} */
export const attention = {
  given: () => !document.hidden,
  onReturn: (action) => {
    const listener = () => document.hidden || action();
    document.addEventListener('visibilitychange', listener);
    return () => document.removeEventListener('visibilitychange', listener);
  },
};

export class Poller {
  #act;
  #clock;
  #attention;
  /** @type {(() => void) | null} */
  #cancel = null;
  /** @type {(() => void) | null} */
  #endListening = null;
  #busy = false;

  /**
   * @param {() => Promise<number>} act  must not throw; answers how many milliseconds to wait until the next time
   * @param {Pick<Clock, 'after'>} clock
   * @param {Attention} looked
   */
  constructor(act, clock, looked = attention) {
    this.#act = act;
    this.#clock = clock;
    this.#attention = looked;
  }

  /** @param {number} delayMs  until the first time */
  start(delayMs) {
    this.stop();
    this.#endListening = this.#attention.onReturn(() => void this.#run());
    this.#wait(delayMs);
  }

  stop() {
    this.#cancel?.();
    this.#cancel = null;
    this.#endListening?.();
    this.#endListening = null;
  }

  /** @param {number} delayMs */
  #wait(delayMs) {
    this.#cancel?.();
    this.#cancel = this.#clock.after(delayMs, () => void this.#run());
  }

  async #run() {
    if (this.#busy || !this.#attention.given()) return;
    this.#busy = true;
    const delayMs = await this.#act();
    this.#busy = false;
    if (this.#endListening) this.#wait(delayMs);
  }
}
