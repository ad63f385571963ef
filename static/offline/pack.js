/**
 * What an exported file holds (`server/scrollcast/export/html.py`): a session, and those that it started; of each the
 * numbers of every event, and the events themselves in blocks that are unpacked when they are asked for.
 *
 * A session has two numberings, as on a server: of its messages alone, and with its meta events among them. A `View` is
 * one of them.
 *
 * @import { Envelope, Gap, Marker, Reading, SessionSummary, TimelineAnswer } from '../protocol.js'
 * @import { Spent } from '../usage.js'
 */

import { densityOf } from '../density.js';
import { LISTED_GAP_MS } from '../playhead.js';

/** Unpacked blocks that are kept: where playback is, where it goes next, and where the reader scrolled back to. */
const KEPT_BLOCKS = 12;

/** Sessions whose numbers are kept, beside the one that is played: of subagents one looks at a few at a time. */
const KEPT_PACKS = 6;

/** Tool calls among the markers of a timeline, as on a server. */
const MAX_TOOLS = 2_000;

/** Reading times in a timeline, as on a server: of a longer session, each is that of several events together. */
const MAX_READING = 2_000;

/**
 * @typedef {(name: string) => Promise<string>} Read  the text of a block
 *
 * @typedef {Object} Contents
 * @property {number[]} times  recorded time of each event, as the distance from the one before
 * @property {number[]} reading  how many milliseconds it takes to read each
 * @property {number[]} meta  which of them are meta events
 * @property {number[]} starts  the first event of each block
 * @property {Marker[]} markers
 * @property {Spent[]} spent  what each of the turns among them took
 * @property {Record<string, string[]>} parts  the blocks of each part that stands apart, by its address
 *
 * @typedef {{ blocks: string, session: SessionSummary }} Entry  of a session; what the names of its blocks begin with
 *
 * @typedef {Object} View
 * @property {number[]} times
 * @property {(seq: number) => number} reading  how many milliseconds it takes to read an event
 * @property {(seq: number) => number} place  where an event stands among all
 * @property {(place: number) => number} seqOf  the other way round, for an event that is in it
 * @property {readonly Marker[]} markers
 * @property {readonly Gap[]} gaps
 */

/** @param {any} event  as it is archived @returns {unknown} */
const idOf = ({ message, meta_event: meta }) => (message ?? meta)?.id;

/** The sessions in a file. */
export class Packs {
  #entries;
  #read;
  /** By id, the one used last at the end. @type {Map<string, Promise<Pack>>} */
  #packs = new Map();

  /**
   * @param {readonly Entry[]} entries  the session that was exported first
   * @param {Read} read
   */
  constructor(entries, read) {
    this.#entries = entries;
    this.#read = read;
  }

  /** @param {Read} read @returns {Promise<Packs>} */
  static async open(read) {
    return new Packs(JSON.parse(await read('sessions')), read);
  }

  /** @returns {SessionSummary[]} the one that was exported first */
  get sessions() {
    return this.#entries.map(({ session }) => session);
  }

  /** @returns {Promise<Pack>} of the session that was exported */
  first() {
    return this.#open(/** @type {Entry} */ (this.#entries[0]));
  }

  /** @param {string} scrollId @returns {Promise<Pack> | null} */
  pack(scrollId) {
    const entry = this.#entries.find(({ session }) => session.scroll_id === scrollId);
    return entry ? this.#open(entry) : null;
  }

  /** @param {Entry} entry */
  #open(entry) {
    const scrollId = entry.session.scroll_id;
    const pack = this.#packs.get(scrollId) ?? Pack.open(entry.session, (name) => this.#read(entry.blocks + name));
    keepNewest(this.#packs, scrollId, pack, KEPT_PACKS);
    return pack;
  }
}

export class Pack {
  #contents;
  #read;
  /** @type {number[]} */
  #times;
  #meta;
  /** Blocks by number, the one used last at the end. @type {Map<number, Promise<string[]>>} */
  #blocks = new Map();
  /** @type {Map<boolean, View>} */
  #views = new Map();

  /**
   * @param {SessionSummary} session
   * @param {Contents} contents
   * @param {Read} read
   */
  constructor(session, contents, read) {
    this.session = session;
    this.#contents = contents;
    this.#read = read;
    let at = 0;
    this.#times = contents.times.map((step) => (at += step));
    this.#meta = new Set(contents.meta);
  }

  /** @param {SessionSummary} session @param {Read} read @returns {Promise<Pack>} */
  static async open(session, read) {
    return new Pack(session, JSON.parse(await read('contents')), read);
  }

  /** Names what the numbers belong to. One file never holds another content. */
  get epoch() {
    return 'file';
  }

  /** @param {boolean} meta  whether meta events are numbered too @returns {View} */
  view(meta) {
    const whole = meta || this.#meta.size === 0;
    const known = this.#views.get(whole);
    if (known) return known;
    const view = whole ? this.#whole() : this.#messages();
    this.#views.set(whole, view);
    return view;
  }

  /** @returns {View} */
  #whole() {
    const { reading } = this.#contents;
    return { times: this.#times, reading: (seq) => reading[seq] ?? 0, place: (seq) => seq, seqOf: (place) => place, markers: this.#contents.markers, gaps: gapsOf(this.#times) };
  }

  /** @returns {View} */
  #messages() {
    const places = this.#times.map((_, place) => place).filter((place) => !this.#meta.has(place));
    const seqs = new Map(places.map((place, seq) => [place, seq]));
    const times = places.map((place) => this.#times[place] ?? 0);
    const markers = this.#contents.markers.flatMap((each) => {
      const seq = seqs.get(each.seq);
      return seq === undefined ? [] : [{ ...each, seq }];
    });
    const { reading } = this.#contents;
    return { times, reading: (seq) => reading[places[seq] ?? -1] ?? 0, place: (seq) => places[seq] ?? 0, seqOf: (place) => seqs.get(place) ?? 0, markers, gaps: gapsOf(times) };
  }

  /** @param {boolean} [meta] @returns {TimelineAnswer} */
  timeline(meta = false) {
    const { times, gaps, ...view } = this.view(meta);
    const { markers, left_out } = thinTools(view.markers);
    const reading = readingOf(times.map((_, seq) => view.reading(seq)));
    return { epoch: this.epoch, count: times.length, duration_ms: times.at(-1) ?? 0, markers, left_out, gaps: [...gaps], density: densityOf(times), reading };
  }

  /** What each turn took. */
  get spent() {
    return this.#contents.spent;
  }

  /** How many blocks the events stand in. */
  get blockCount() {
    return this.#contents.starts.length;
  }

  /**
   * Looks for messages without reading every one: only lines that `wanted` lets pass, as text, are decoded.
   *
   * @param {number} number  of a block
   * @param {(text: string) => boolean} wanted  asked of the whole block first, then of each line
   * @returns {Promise<Envelope[]>} the messages, numbered as without meta events
   */
  async sift(number, wanted) {
    const lines = await this.#block(number);
    if (!wanted(lines.join('\n'))) return [];
    const view = this.view(false);
    const start = this.#contents.starts[number] ?? 0;
    return lines.flatMap((line, index) => {
      const place = start + index;
      if (this.#meta.has(place) || !wanted(line)) return [];
      const seq = view.seqOf(place);
      return [{ type: /** @type {const} */ ('event'), seq, t_ms: view.times[seq] ?? 0, event: JSON.parse(line).event }];
    });
  }

  /**
   * @param {View} view
   * @param {number} start
   * @param {number} stop
   * @returns {Promise<Envelope[]>} the events of a half-open range
   */
  async events(view, start, stop) {
    const { scroll_id, connector_uid, native_session_id } = this.session;
    const routing = { connector_uid, connector_id: native_session_id ?? '', scroll_id };
    /** @type {Envelope[]} */
    const found = [];
    for (let seq = start; seq < stop; seq++) {
      const { event } = JSON.parse(await this.#line(view.place(seq)));
      found.push({ type: 'event', routing, origin: { type: 'archive' }, seq, t_ms: view.times[seq] ?? 0, event });
    }
    return found;
  }

  /**
   * The number of an event.
   *
   * @param {View} view
   * @param {string} id
   * @returns {Promise<number | null>} `null` where there is none of that id
   */
  async find(view, id) {
    const written = JSON.stringify(id);
    for (let seq = 0; seq < view.times.length; seq++) {
      const line = await this.#line(view.place(seq));
      if (line.includes(written) && idOf(JSON.parse(line).event) === id) return seq;
    }
    return null;
  }

  /** @param {string} href  where a cut part says that the whole of it is @returns {Promise<string | null>} */
  async part(href) {
    const names = this.#contents.parts[href];
    if (!names) return null;
    return (await Promise.all(names.map((name) => this.#read(name)))).join('');
  }

  /** @param {number} place */
  async #line(place) {
    const { starts } = this.#contents;
    let number = starts.length - 1;
    for (let low = 0, high = number; low <= high;) {
      const middle = (low + high) >> 1;
      if ((starts[middle] ?? 0) <= place) [number, low] = [middle, middle + 1];
      else high = middle - 1;
    }
    const lines = await this.#block(number);
    return lines[place - (starts[number] ?? 0)] ?? 'null';
  }

  /** @param {number} number */
  #block(number) {
    const block = this.#blocks.get(number) ?? this.#read(`events-${number}`).then((text) => text.split('\n'));
    keepNewest(this.#blocks, number, block, KEPT_BLOCKS);
    return block;
  }
}

/**
 * Puts a value at the end of a map, and lets go of the one at its beginning where there are too many.
 *
 * @template K, V
 * @param {Map<K, V>} map
 * @param {K} key
 * @param {V} value
 * @param {number} most
 */
function keepNewest(map, key, value, most) {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > most && oldest !== undefined) map.delete(oldest);
}

/**
 * As a server does it: the bar has no room for more, and what is left out is found by a step.
 *
 * @param {readonly Marker[]} markers
 * @returns {Pick<TimelineAnswer, 'markers' | 'left_out'>}
 */
function thinTools(markers) {
  const tools = markers.filter((each) => each.kind === 'tool').length;
  if (tools <= MAX_TOOLS) return { markers: [...markers], left_out: [] };
  let number = -1;
  const kept = markers.filter(({ kind }) => {
    if (kind === 'tool') number += 1;
    return kind !== 'tool' || Math.floor(((number + 1) * MAX_TOOLS) / tools) > Math.floor((number * MAX_TOOLS) / tools);
  });
  return { markers: kept, left_out: ['tool'] };
}

/** @param {readonly number[]} each  of every event @returns {Reading} */
function readingOf(each) {
  const every = Math.max(1, Math.ceil(each.length / MAX_READING));
  const ms = Array.from({ length: Math.ceil(each.length / every) }, () => 0);
  for (const [seq, own] of each.entries()) ms[Math.floor(seq / every)] = (ms[Math.floor(seq / every)] ?? 0) + own;
  return { every, ms };
}

/** @param {readonly number[]} times @returns {Gap[]} */
function gapsOf(times) {
  return times.flatMap((end, seq) => {
    const start = times[seq - 1] ?? end;
    return end - start >= LISTED_GAP_MS ? [{ start_ms: start, end_ms: end }] : [];
  });
}
