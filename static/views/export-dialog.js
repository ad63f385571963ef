/**
 * Taking the session away: in which form, how much of it, and what is not to be in it. The server makes the file.
 *
 * @import { PlayerStore } from '../player-store.js'
 */

import { parseTime } from '../deep-link.js';
import { el, localLink, setAttribute, setLocalHref } from '../dom.js';
import { clock } from '../format.js';

/** What each form is good for. */
const FORMATS = [
  { value: 'html', words: 'Page', hint: 'One file that plays by itself, without a server or a network.' },
  { value: 'markdown', words: 'Markdown', hint: 'To read, and to paste.' },
  { value: 'jsonl', words: 'JSON lines', hint: 'Records that Scrollcast plays again.' },
  { value: 'cast', words: 'asciicast', hint: 'A recording for terminals and asciinema’s player.' },
];

/** As `scrollcast export --leave-out` names them. */
const KINDS = [
  { value: 'thinking', words: 'Thinking' },
  { value: 'tools', words: 'Tool calls and results' },
  { value: 'outputs', words: 'Results, not the calls' },
  { value: 'subagents', words: 'Subagents, not their calls' },
  { value: 'images', words: 'Pictures' },
  { value: 'system', words: 'System messages' },
  { value: 'meta', words: 'Events beside the messages' },
];

/**
 * @typedef {{ format: string, from: string, to: string, title: string, leaveOut: readonly string[], redact: boolean }} Wanted
 *   `from` and `to` as somebody wrote them, empty for no bound; with `redact` secrets are taken out
 */

/**
 * @param {string} scrollId
 * @param {Wanted} wanted
 * @returns {string | null} the address of the file; `null` where a time is none
 */
export function exportPath(scrollId, { format, from, to, title, leaveOut, redact }) {
  const [start, end] = [from.trim(), to.trim()].map((text) => (text === '' ? undefined : parseTime(text)));
  if (start === null || end === null || (start ?? 0) > (end ?? Infinity)) return null;
  const query = new URLSearchParams({ format });
  if (start !== undefined) query.set('from_ms', String(start));
  if (end !== undefined) query.set('to_ms', String(end));
  if (title.trim() !== '') query.set('title', title.trim());
  if (leaveOut.length > 0) query.set('leave_out', leaveOut.join(','));
  query.set('redact', String(redact)); // either way: unasked the server goes by what it was started with
  return `/api/sessions/${encodeURIComponent(scrollId)}/export?${query}`;
}

export class ExportDialog {
  node;
  #scrollId;
  #store;
  #formats;
  #hint = el('p', { class: 'field-hint', attrs: { id: 'export-hint' } });
  #from;
  #to;
  #title;
  #kinds;
  #redact;
  #wrong = el('p', { class: 'field-wrong', hidden: true, text: 'Times are seconds or a clock such as 1:30, the first no later than the last.', attrs: { id: 'export-wrong', role: 'alert' } });
  #link;

  /**
   * @param {string} scrollId
   * @param {PlayerStore} store
   */
  constructor(scrollId, store) {
    this.#scrollId = scrollId;
    this.#store = store;
    const change = () => this.#change();
    this.#formats = FORMATS.map(({ value }, index) => el('input', { attrs: { type: 'radio', name: 'export-format', value, checked: index === 0, 'aria-describedby': 'export-hint' }, on: { change } }));
    this.#kinds = KINDS.map(({ value }) => el('input', { attrs: { type: 'checkbox', value }, on: { change } }));
    this.#redact = el('input', { attrs: { type: 'checkbox', checked: true, 'aria-describedby': 'export-secrets' }, on: { change } });
    this.#from = el('input', { class: 'time-field', attrs: { type: 'text', inputmode: 'numeric', placeholder: '0:00', 'aria-label': 'From', autocomplete: 'off' }, on: { input: change } });
    this.#to = el('input', { class: 'time-field', attrs: { type: 'text', inputmode: 'numeric', 'aria-label': 'To', autocomplete: 'off' }, on: { input: change } });
    this.#title = el('input', { class: 'title-field', attrs: { type: 'text', maxlength: 300, 'aria-label': 'Title', autocomplete: 'off' }, on: { input: change } });
    this.#link = localLink('/', { class: 'button primary', text: 'Download', attrs: { download: '' }, on: { click: () => this.node.close() } });
    this.node = this.#build();
  }

  open() {
    const { session, durationMs } = this.#store.getState();
    this.#to.placeholder = clock(durationMs);
    this.#title.placeholder = session?.title ?? '';
    this.#change();
    this.node.showModal();
  }

  #build() {
    const close = () => this.node.close();
    const here = (/** @type {HTMLInputElement} */ field, /** @type {string} */ words) => el('button', {
      class: 'button quiet', text: 'Here', title: words, attrs: { type: 'button', 'aria-label': words },
      on: { click: () => {
        field.value = clock(this.#store.position());
        this.#change();
      } },
    });
    return el('dialog', { class: 'export', attrs: { 'aria-labelledby': 'export-title' }, on: { click: (event) => event.target === this.node && close() } },
      el('div', { class: 'help-body' },
        el('div', { class: 'help-head' },
          el('h2', { text: 'Take this session away', attrs: { id: 'export-title' } }),
          el('button', { class: 'button quiet', text: 'Close', attrs: { type: 'button' }, on: { click: close } })),
        el('fieldset', {}, el('legend', { text: 'As' }),
          el('div', { class: 'segments' }, ...FORMATS.map(({ words }, index) => el('label', { class: 'segment' }, this.#formats[index], el('span', { text: words })))), this.#hint),
        el('fieldset', {}, el('legend', { text: 'What was recorded between' }),
          el('div', { class: 'range-fields' }, this.#from, here(this.#from, 'Here: from where playback is'), el('span', { text: 'and' }), this.#to, here(this.#to, 'Here: to where playback is')), this.#wrong),
        el('fieldset', {}, el('legend', { text: 'Under the title' }), this.#title),
        el('fieldset', {}, el('legend', { text: 'Leave out' }),
          el('div', { class: 'kind-fields' }, ...KINDS.map(({ words }, index) => el('label', { class: 'kind-field' }, this.#kinds[index], words)))),
        el('fieldset', {}, el('legend', { text: 'Secrets' }),
          el('div', { class: 'kind-fields' }, el('label', { class: 'kind-field' }, this.#redact, 'Take secrets out')),
          el('p', { class: 'field-hint', text: 'Keys, tokens and passwords are replaced as far as they are recognised: read the file before you give it away.', attrs: { id: 'export-secrets' } })),
        el('div', { class: 'export-actions' }, this.#link)));
  }

  #change() {
    const format = this.#formats.find((each) => each.checked)?.value ?? 'html';
    const leaveOut = this.#kinds.filter((each) => each.checked).map((each) => each.value);
    const path = exportPath(this.#scrollId, { format, from: this.#from.value, to: this.#to.value, title: this.#title.value, leaveOut, redact: this.#redact.checked });
    this.#hint.textContent = FORMATS.find((each) => each.value === format)?.hint ?? '';
    this.#wrong.hidden = path !== null;
    for (const field of [this.#from, this.#to]) {
      setAttribute(field, 'aria-invalid', path === null);
      if (path === null) setAttribute(field, 'aria-describedby', 'export-wrong');
      else field.removeAttribute('aria-describedby');
    }
    if (path === null) this.#link.removeAttribute('href');
    else setLocalHref(this.#link, path);
    setAttribute(this.#link, 'aria-disabled', path === null);
  }
}
