/**
 * Pairs of numbers in a row, both no smaller than those of the pair before: the ends of silences, the events and times of
 * turns. A long session has hundreds of thousands of them, so they lie in one block of memory and are no objects.
 */

/** Bytes of a pair as the server sends it: two whole numbers of 64 bits (`docs/protocol.md`, HTTP). */
const PAIR_BYTES = 16;

/** A block that is full makes room for so many times as much. */
const GROWTH = 1.5;

/** @typedef {{ numbers: Float64Array, used: number }} Block  shared by rows that begin alike; `used` is that of the longest */

/** Immutable; but a longer row may lie in the same block. */
export class Pairs {
  #block;
  #length;

  /**
   * @param {Block} block
   * @param {number} length
   */
  constructor(block, length) {
    this.#block = block;
    this.#length = length;
  }

  /** @param {readonly (readonly [number, number])[]} pairs */
  static of(pairs) {
    return new Pairs({ numbers: Float64Array.from(pairs.flat()), used: pairs.length }, pairs.length);
  }

  /** @param {ArrayBuffer} table  as the server sends it */
  static read(table) {
    const halves = new DataView(table);
    const length = Math.floor(table.byteLength / PAIR_BYTES);
    const numbers = new Float64Array(2 * length);
    for (let index = 0; index < numbers.length; index++) {
      numbers[index] = halves.getUint32(8 * index, true) + halves.getInt32(8 * index + 4, true) * 2 ** 32;
    }
    return new Pairs({ numbers, used: length }, length);
  }

  get length() {
    return this.#length;
  }

  /** @param {number} index  of a pair that is there */
  first(index) {
    return /** @type {number} */ (this.#block.numbers[2 * index]);
  }

  /** @param {number} index  of a pair that is there */
  second(index) {
    return /** @type {number} */ (this.#block.numbers[2 * index + 1]);
  }

  /** The numbers of all pairs in a row, to go through them quickly: the first of a pair, then its second. */
  get numbers() {
    return this.#block.numbers.subarray(0, 2 * this.#length);
  }

  /**
   * @param {number} most
   * @returns {number} the index of the last pair whose first number is no more than that; -1 where there is none
   */
  lastByFirst(most) {
    return lastWhere(this.#length, (index) => this.first(index) <= most);
  }

  /**
   * @param {number} most
   * @returns {number} the index of the last pair whose second number is no more than that; -1 where there is none
   */
  lastBySecond(most) {
    return lastWhere(this.#length, (index) => this.second(index) <= most);
  }

  /**
   * The same row and a pair more.
   *
   * @param {number} first
   * @param {number} second
   */
  plus(first, second) {
    const block = this.#room();
    block.numbers[2 * this.#length] = first;
    block.numbers[2 * this.#length + 1] = second;
    block.used = this.#length + 1;
    return new Pairs(block, this.#length + 1);
  }

  /** The same row up to a pair. @param {number} length */
  upTo(length) {
    return length < this.#length ? new Pairs(this.#block, length) : this;
  }

  /** @returns {Generator<[number, number]>} */
  *[Symbol.iterator]() {
    for (let index = 0; index < this.#length; index++) yield [this.first(index), this.second(index)];
  }

  /** A block in which the place behind the last pair is free: another one where a longer row has it, or it is full. */
  #room() {
    const { numbers, used } = this.#block;
    if (used === this.#length && 2 * used < numbers.length) return this.#block;
    const roomier = new Float64Array(2 * Math.ceil((this.#length + 1) * GROWTH));
    roomier.set(this.numbers);
    return { numbers: roomier, used: this.#length };
  }
}

/**
 * @param {number} length
 * @param {(index: number) => boolean} holds  true up to some index below `length`, false from there on
 * @returns {number} that index less one; -1 where it holds nowhere
 */
export function lastWhere(length, holds) {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(middle)) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
