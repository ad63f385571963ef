/** Things that open: a `<details>` filled when it is first opened, and a button that loads the whole of a cut part. */

import { el, icon, isPartHref, replaceChildren } from '../dom.js';
import { bytes } from '../format.js';

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
 * @property {() => Promise<string>} load  the whole text
 */

/**
 * @param {string} text
 * @param {Truncated | undefined | null} cut
 * @param {import('./index.js').Context} context
 * @returns {Source}
 */
export function source(text, cut, context) {
  if (!cut || typeof cut.href !== 'string') return { text, cuts: [], load: async () => text };
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
    load: async () => (await Promise.all(sources.map((each) => each.load()))).join(separator),
  };
}

/**
 * @param {string} href
 * @param {import('./index.js').Context} context
 * @returns {Promise<string>}
 * @throws {Error} for an address that is not one of our server's for a part
 */
async function fetchPart(href, context) {
  if (!isPartHref(href)) throw new Error('not an address of a part');
  return context.fetchText(href);
}

/**
 * Renders a text, and under it, when it was cut, a button that puts the whole in its place.
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
  const button = el('button', { class: 'more-button', attrs: { type: 'button' }, text: `Show all (${size})` });
  const bar = el('div', { class: 'cut-bar' }, button, note);
  button.addEventListener('click', async () => {
    button.disabled = true;
    note.textContent = 'Loading…';
    try {
      const text = await from.load();
      replaceChildren(body, ...render(text));
      bar.remove();
    } catch {
      button.disabled = false;
      note.textContent = 'It could not be loaded. Try again.';
    }
  });
  return [el('div', { class: 'cut' }, body, bar)];
}
