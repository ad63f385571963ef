/** Things that open: a `<details>` filled when it is first opened, and a button that loads the whole of a cut part. */

import { el, icon, isPartHref, replaceChildren } from '../dom.js';
import { bytes } from '../format.js';

/**
 * A whole part up to this size takes the place of its beginning. A longer one is read a piece of this size at a time:
 * 100 MB must be neither held nor laid out at once.
 */
const PIECE_BYTES = 262_144;

const LINE_END = 0x0a;

/** @typedef {import('../dom.js').Child} Child */
/** @typedef {import('../protocol.js').Truncated} Truncated */

/**
 * A `<details>` whose inside is made when it is first opened.
 *
 * @param {Child[]} summary
 * @param {() => Child[]} fill
 * @param {{class?: string, open?: boolean}} [options]
 * @returns {HTMLDetailsElement}
 */
export function folded(summary, fill, { class: name = '', open = false } = {}) {
  const body = el('div', { class: 'fold-body' });
  const node = el('details', { class: `fold ${name}`.trim() }, el('summary', { class: 'fold-summary' }, icon('chevron'), ...summary), body);
  let filled = false;
  const fillOnce = () => {
    if (filled) return;
    filled = true;
    replaceChildren(body, ...fill());
  };
  node.addEventListener('toggle', () => node.open && fillOnce());
  if (open) {
    fillOnce();
    node.open = true;
  }
  return node;
}

/**
 * A text that may have been cut by `preview`: what came with the event, and where the rest is.
 *
 * @typedef {Object} Source
 * @property {string} text
 * @property {Truncated[]} cuts  empty where the text is whole
 * @property {() => Promise<Blob>} load  the whole text, which the browser keeps out of the page's heap
 */

/**
 * @param {string} text
 * @param {Truncated | undefined | null} cut
 * @param {import('./index.js').Context} context
 * @returns {Source}
 */
export function source(text, cut, context) {
  if (!cut || typeof cut.href !== 'string') return { text, cuts: [], load: async () => new Blob([text]) };
  return { text, cuts: [cut], load: () => fetchPart(cut.href, context) };
}

/**
 * Several texts, one after the other.
 *
 * @param {Source[]} sources
 * @param {string} [separator]
 * @returns {Source}
 */
export function joined(sources, separator = '\n') {
  const [only] = sources;
  if (sources.length === 1 && only) return only;
  return {
    text: sources.map((each) => each.text).join(separator),
    cuts: sources.flatMap((each) => each.cuts),
    load: async () => {
      const [first, ...rest] = await Promise.all(sources.map((each) => each.load()));
      return new Blob([...(first ? [first] : []), ...rest.flatMap((each) => [separator, each])]);
    },
  };
}

/**
 * @param {string} href
 * @param {import('./index.js').Context} context
 * @returns {Promise<Blob>}
 * @throws {Error} for an address that is not one of our server's for a part
 */
async function fetchPart(href, context) {
  if (!isPartHref(href)) throw new Error('not an address of a part');
  return context.fetchText(href);
}

/**
 * Renders a text, and under it, when it was cut, a button that puts the whole in its place; or, where that is long,
 * buttons to leaf through it.
 *
 * @param {Source} from
 * @param {(text: string) => Child[]} render
 * @returns {Child[]}
 */
export function withShowAll(from, render) {
  if (from.cuts.length === 0) return render(from.text);
  const size = bytes(from.cuts.reduce((sum, cut) => sum + (Number(cut.bytes) || 0), 0));
  const body = el('div', { class: 'cut-body' }, ...render(from.text));
  const note = el('span', { class: 'cut-note', attrs: { role: 'status' } });
  const button = el('button', { class: 'more-button cut-whole', attrs: { type: 'button' }, text: `Show all (${size})` });
  const bar = el('div', { class: 'cut-bar' }, button, note);
  button.addEventListener('click', async () => {
    button.disabled = true;
    note.textContent = 'Loading…';
    try {
      const whole = await from.load();
      if (whole.size <= PIECE_BYTES) {
        replaceChildren(body, ...render(await whole.text()));
        bar.remove();
      } else replaceChildren(bar, ...(await pieceByPiece(whole, (text) => replaceChildren(body, ...render(text)))));
    } catch {
      button.disabled = false;
      note.textContent = 'It could not be loaded. Try again.';
    }
  });
  return [el('div', { class: 'cut' }, body, bar)];
}

/**
 * Shows the beginning of a long text.
 *
 * @param {Blob} whole
 * @param {(text: string) => void} show
 * @returns {Promise<Child[]>} buttons for the pieces before and after the one that is shown, and where in the whole it is
 */
export async function pieceByPiece(whole, show) {
  /** Where each piece begins, as far as that is known. */
  const starts = [0];
  let shown = 0;
  const note = el('span', { class: 'cut-note', attrs: { role: 'status' } });
  /** @param {number} number */
  const turnTo = async (number) => {
    const start = starts[number] ?? 0;
    const { text, end } = await piece(whole, start);
    starts[number + 1] = end;
    shown = number;
    show(text);
    note.textContent = `${bytes(start)} to ${bytes(end)} of ${bytes(whole.size)}`;
    before.disabled = start === 0;
    after.disabled = end >= whole.size;
  };
  const before = el('button', { class: 'more-button', attrs: { type: 'button' }, text: 'Show what comes before', on: { click: () => void turnTo(shown - 1) } });
  const after = el('button', { class: 'more-button cut-after', attrs: { type: 'button' }, text: 'Show more', on: { click: () => void turnTo(shown + 1) } });
  await turnTo(0);
  return [before, after, note];
}

/**
 * @param {Blob} whole
 * @param {number} start
 * @returns {Promise<{ text: string, end: number }>} whole lines from there on, where the lines are not too long for that
 */
async function piece(whole, start) {
  const data = new Uint8Array(await whole.slice(start, start + PIECE_BYTES).arrayBuffer());
  const length = start + data.length >= whole.size ? data.length : (data.lastIndexOf(LINE_END) + 1 || wholeCharacters(data));
  return { text: new TextDecoder().decode(data.subarray(0, length)), end: start + length };
}

/** How many bytes hold characters that are not cut (RFC 3629): at most three less. @param {Uint8Array} data */
function wholeCharacters(data) {
  let length = data.length;
  while (length > data.length - 3 && ((data[length - 1] ?? 0) & 0xc0) === 0x80) length -= 1;
  return length - 1;
}
