/**
 * The files that no reader knows, folded away at the end of the list: what they are, and what was met in them.
 *
 * @import { Unrecognised, UnrecognisedFile } from '../protocol.js'
 */

import { el, replaceChildren } from '../dom.js';
import { bytes, count, oneLine, safeText } from '../format.js';

/** Files listed: whoever has more has one cause for all of them. */
const SHOWN_FILES = 200;

export class UnrecognisedFold {
  node;
  #summary = el('summary', {});
  #list = el('ul', { class: 'strangers' });
  #shown = '';

  constructor() {
    this.node = el('details', { class: 'unrecognised', hidden: true }, this.#summary,
      el('p', { class: 'unrecognised-words', text: 'These lie where sessions are looked for, but no reader knows their format. They are left as they are.' }), this.#list);
  }

  /** @param {Unrecognised} unrecognised */
  update({ files, total }) {
    const shows = JSON.stringify([total, files]);
    if (shows === this.#shown) return;
    this.#shown = shows;
    this.node.hidden = total === 0;
    this.#summary.textContent = `${count(total, 'file')} not recognised`;
    const rest = total - Math.min(files.length, SHOWN_FILES);
    replaceChildren(this.#list, ...files.slice(0, SHOWN_FILES).map(stranger), rest > 0 && el('li', { class: 'strangers-more', text: `and ${rest.toLocaleString('en')} more` }));
  }
}

/** @param {UnrecognisedFile} file */
function stranger({ path, size, why, row_types: types }) {
  return el('li', { class: 'stranger' },
    el('code', { class: 'stranger-path', text: safeText(path) }),
    el('p', { class: 'stranger-why' }, `${bytes(size)} · ${oneLine(why, 300)}`),
    types.length > 0 && el('p', { class: 'stranger-types' }, 'Met in it: ', ...types.slice(0, 20).map((type) => el('code', { class: 'row-type', text: oneLine(type, 60) }))));
}
