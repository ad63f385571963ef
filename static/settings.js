/**
 * What a viewer chose last, kept in the browser where it allows that, and the choices there are.
 */

/** Speeds to choose from; `max` is as fast as the page can take. @type {readonly (number | 'max')[]} */
export const SPEEDS = [0.25, 0.5, 1, 1.5, 2, 4, 8, 16, 32, 64, 'max'];

/**
 * How the time between events passes: as it was recorded (`null`), no silence longer than so many seconds, or as long as
 * it takes to read them.
 *
 * @typedef {number | null | 'reading'} Pace
 */

/** Paces to choose from. @type {readonly Pace[]} */
export const PACES = [null, 10, 5, 2, 1, 'reading'];

/** Nobody waits for 25 minutes who did not ask to. */
const DEFAULT_PACE = 5;

/** So many folded groups of the list are remembered, the last ones. */
const MAX_FOLDED = 200;

const PREFIX = 'scrollcast.';

/** @typedef {'auto' | 'light' | 'dark'} Theme */

/** @param {Pick<Storage, 'getItem' | 'setItem'> | null} storage  `null` where there is none */
export function createSettings(storage) {
  /** @param {string} name */
  const read = (name) => {
    try {
      return storage?.getItem(PREFIX + name) ?? null;
    } catch {
      return null; // a browser may refuse
    }
  };
  /**
   * @param {string} name
   * @param {string | number | null} value
   */
  const write = (name, value) => {
    try {
      storage?.setItem(PREFIX + name, String(value));
    } catch {
      // then it is forgotten
    }
  };
  return {
    /** @returns {number | 'max'} */
    get speed() {
      return SPEEDS.find((each) => String(each) === read('speed')) ?? 1;
    },
    set speed(value) {
      write('speed', value);
    },
    /** @returns {Pace} */
    get pace() {
      const kept = read('pace');
      const choice = PACES.find((each) => String(each) === kept);
      return choice === undefined ? DEFAULT_PACE : choice;
    },
    set pace(value) {
      write('pace', value);
    },
    /** @returns {Theme} */
    get theme() {
      const kept = read('theme');
      return kept === 'light' || kept === 'dark' ? kept : 'auto';
    },
    set theme(value) {
      write('theme', value);
    },
    /** Whether thoughts are shown unfolded. */
    get thinking() {
      return read('thinking') === 'true';
    },
    set thinking(value) {
      write('thinking', String(value));
    },
    /** Whether the list of sessions stands by projects. */
    get grouped() {
      return read('grouped') === 'true';
    },
    set grouped(value) {
      write('grouped', String(value));
    },
    /** The keys of the groups of the list that are folded. @returns {string[]} */
    get folded() {
      try {
        const kept = JSON.parse(read('folded') ?? '[]');
        return Array.isArray(kept) ? kept.filter((each) => typeof each === 'string') : [];
      } catch {
        return [];
      }
    },
    set folded(value) {
      write('folded', JSON.stringify(value.slice(-MAX_FOLDED)));
    },
    /** Whether the list of turns is open; `null` when never decided. */
    get turns() {
      const kept = read('turns');
      return kept === null ? null : kept === 'true';
    },
    set turns(value) {
      write('turns', String(value));
    },
  };
}

/** @typedef {ReturnType<typeof createSettings>} Settings */
