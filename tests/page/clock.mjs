/** An invented clock: time passes only when a test says so. */
export class FakeClock {
  time = 0;
  /** @type {{ at: number, action: () => void }[]} */
  #timers = [];

  now = () => this.time;

  after = (/** @type {number} */ ms, /** @type {() => void} */ action) => {
    const timer = { at: this.time + ms, action };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((each) => each !== timer);
    };
  };

  /** @param {number} ms */
  pass(ms) {
    const end = this.time + ms;
    for (;;) {
      const next = this.#timers.filter((each) => each.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.#timers = this.#timers.filter((each) => each !== next);
      this.time = next.at;
      next.action();
    }
    this.time = end;
  }
}
