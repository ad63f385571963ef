/**
 * The words that were looked for, where they stand in the conversation. They are painted over the text (CSS Custom
 * Highlight API): nothing is put into it, so that nothing is drawn anew. A browser without that marks the messages only.
 *
 * @import { Hit } from '../protocol.js'
 */

const NAME = 'found';
/** Text that is looked through at most, the nearest to the position first. */
const MOST_CHARACTERS = 300_000;
/** What may hide the words: what opens them closes again where they are not in it. */
const FOLDS = '.tool-toggle[aria-expanded=false], details.fold:not([open]) > summary, .block-more[aria-expanded=false]';
/** Frames until what was opened is there: a long block comes a piece a frame. */
const FRAMES = 25;
/** What shows more of a text of which only the beginning is there. */
const MORE = '.md-more, .cut-whole, .cut-after:not(:disabled)';
/** It is asked so often at most, which is as far as the server looks for words, and waited for so long each time. */
const MOST_PIECES = 80;
const LOADING_MS = 10_000;
/** A fold within a fold within a card. */
const DEPTH = 3;

/** @typedef {{ node: Element, hit: Hit }} Place  what holds a hit */

/** @param {Hit} hit  its words as they stand in the text, in lower case */
function wordsOf({ snippet }) {
  return [...new Set(snippet.filter((piece) => piece.match).map((piece) => piece.text.toLowerCase()))].filter((word) => word !== '');
}

/**
 * Where these words are in what can be seen of a text, in its order.
 *
 * @param {Place} place
 * @param {number} [room]  so many characters of it are looked through
 * @returns {{ ranges: Range[], length: number }}
 */
function rangesIn({ node, hit }, room = MOST_CHARACTERS) {
  const words = wordsOf(hit);
  /** @type {{ text: Text, start: number }[]} */
  const pieces = [];
  let whole = '';
  const texts = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
  while (whole.length < room && texts.nextNode()) {
    const text = /** @type {Text} */ (texts.currentNode);
    if (!text.parentElement?.checkVisibility()) continue;
    pieces.push({ text, start: whole.length });
    // One letter for one: `İ` in lower case is two.
    whole += text.data.replace(/\p{Lu}/gu, (letter) => (letter.toLowerCase().length === letter.length ? letter.toLowerCase() : letter));
  }
  /** @param {number} at @param {boolean} isEnd @returns {[Text, number] | null} */
  const spot = (at, isEnd) => {
    const piece = pieces.findLast(({ start }) => (isEnd ? start < at : start <= at));
    return piece ? [piece.text, at - piece.start] : null;
  };
  const found = words.flatMap((word) => {
    const places = [];
    for (let at = whole.indexOf(word); at >= 0; at = whole.indexOf(word, at + word.length)) places.push({ at, end: at + word.length });
    return places;
  });
  const ranges = found.sort((a, b) => a.at - b.at).flatMap(({ at, end }) => {
    const [from, to] = [spot(at, false), spot(end, true)];
    if (!from || !to) return [];
    const range = document.createRange();
    range.setStart(...from);
    range.setEnd(...to);
    return [range];
  });
  return { ranges, length: whole.length };
}

/** Marks the words of all of these, and of nothing else. @param {Place[]} places  the nearest first */
export function markWords(places) {
  if (!('highlights' in CSS)) return;
  let room = MOST_CHARACTERS;
  const all = [];
  for (const place of places) {
    if (room <= 0) break;
    const { ranges, length } = rangesIn(place, room);
    all.push(...ranges);
    room -= length;
  }
  if (all.length > 0) CSS.highlights.set(NAME, new Highlight(...all));
  else CSS.highlights.delete(NAME);
}

/**
 * Where the first of the words stands, with what hid it opened.
 *
 * @param {Place} place
 * @param {() => boolean} goesOn  whether it is still wanted
 * @returns {Promise<Range | null>} `null` where they are not to be seen, or no longer wanted
 */
export async function openWords(place, goesOn) {
  await nextFrame(); // what follows at once, such as a step after a seek, has come by then
  return goesOn() ? search(place, place.node, goesOn, DEPTH) : null;
}

/**
 * @param {Place} place
 * @param {Element} within  what is opened of it
 * @param {() => boolean} goesOn
 * @param {number} depth
 * @returns {Promise<Range | null>}
 */
async function search(place, within, goesOn, depth) {
  return (await tryFolds(place, within, goesOn, depth)) ?? (goesOn() ? readOn(place, within, goesOn, depth) : null);
}

/**
 * @param {Place} place
 * @param {Element} within
 * @param {() => boolean} goesOn
 * @param {number} depth
 * @returns {Promise<Range | null>}
 */
async function tryFolds(place, within, goesOn, depth) {
  const [first] = rangesIn(place).ranges;
  if (first || depth === 0) return first ?? null;
  for (const fold of within.querySelectorAll(FOLDS)) {
    if (!(fold instanceof HTMLElement)) continue;
    const hidden = fold.matches('.tool-toggle') ? fold.closest('.tool') : fold.parentElement;
    do {
      fold.click();
      for (let frame = 0; frame < (fold.matches('.block-more') ? FRAMES : 2); frame++) {
        await nextFrame();
        if (!goesOn()) return null;
        const [shown] = rangesIn(place).ranges;
        if (shown) return shown;
      }
    } while (fold.matches('.is-clipped > .block-more')); // it adds some lines at a time
    const deeper = hidden && (await search(place, hidden, goesOn, depth - 1));
    if (deeper) return deeper;
    fold.click();
  }
  return null;
}

/**
 * Has more of a text shown, a piece after the other, until the words are in it.
 *
 * @param {Place} place
 * @param {Element} within
 * @param {() => boolean} goesOn
 * @param {number} depth
 */
async function readOn(place, within, goesOn, depth) {
  for (let times = 0; times < MOST_PIECES && depth > 0; times++) {
    const more = [...within.querySelectorAll(MORE)].find((each) => each.checkVisibility());
    if (!(more instanceof HTMLButtonElement)) return null;
    const holder = more.closest('.cut') ?? within;
    const before = holder.textContent;
    more.click();
    const until = performance.now() + LOADING_MS;
    do {
      await nextFrame();
      if (!goesOn() || performance.now() > until) return null;
    } while (within.contains(more) && (holder.textContent === before || more.matches('.cut-whole:disabled')));
    if (more.matches('.cut-whole') && within.contains(more)) return null; // it could not be loaded
    const found = await tryFolds(place, holder, goesOn, depth - 1);
    if (found || !goesOn()) return found;
  }
  return null;
}

/** @returns {Promise<unknown>} */
function nextFrame() {
  return new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
}
