/** Links that show this session to others, for a while: make one, copy it, withdraw it. */

import { request } from '../api.js';
import { parseTime } from '../deep-link.js';
import { el, replaceChildren, setAttribute } from '../dom.js';
import { clock, dateTime } from '../format.js';

const DAY = 86_400;
const LENGTHS = /** @type {[number, string][]} */ ([[DAY / 24, '1 hour'], [DAY, '1 day'], [7 * DAY, '7 days'], [30 * DAY, '30 days']]);

/** @typedef {{ id: string, from_ms: number | null, to_ms: number | null, redact: boolean, expires_at: string, revoked_at: string | null, url?: string }} Share */

/** @param {string} scrollId @returns {HTMLDialogElement} */
export function shareDialog(scrollId) {
  const place = `/api/sessions/${encodeURIComponent(scrollId)}/shares`;
  const field = (/** @type {string} */ words) => el('input', { class: 'time-field', attrs: { type: 'text', placeholder: words === 'From' ? '0:00' : 'end', 'aria-label': words, autocomplete: 'off' } });
  const [from, to] = [field('From'), field('To')];
  const length = el('select', { class: 'time-field', attrs: { 'aria-label': 'Can be opened for' } }, ...LENGTHS.map(([seconds, text]) => el('option', { text, attrs: { value: seconds, selected: seconds === 7 * DAY } })));
  const redact = el('input', { attrs: { type: 'checkbox', checked: true } });
  const said = el('p', { class: 'field-hint', attrs: { role: 'status' } });
  const link = el('input', { class: 'title-field share-link', hidden: true, attrs: { type: 'text', readonly: true, 'aria-label': 'Link' } });
  const list = el('ul', { class: 'share-list' });

  /** @param {() => Promise<unknown>} act */
  const attempt = async (act) => {
    try {
      await act();
    } catch (error) {
      said.textContent = error instanceof Error ? error.message : '';
    }
  };
  const show = async () => {
    const { shares } = /** @type {{ shares: Share[] }} */ (await request('GET', place));
    const open = shares.filter((each) => !each.revoked_at && Date.parse(each.expires_at) > Date.now());
    replaceChildren(list, ...open.map((share) => {
      const { id, from_ms: start, to_ms: end, redact: clean, expires_at: until } = share;
      const range = start === null && end === null ? 'All of it' : `${clock(start ?? 0)} to ${end === null ? 'the end' : clock(end)}`;
      return el('li', {}, el('span', { text: `${range}${clean ? '' : ', with secrets'}, until ${dateTime(until)}` }),
        el('button', { class: 'button quiet', text: 'Withdraw', attrs: { type: 'button', 'aria-label': `Withdraw the link ${id}` }, on: { click: () => void attempt(async () => {
          await request('DELETE', `/api/shares/${id}`);
          said.textContent = 'Withdrawn. Whoever watched by it is cut off.';
          await show();
        }) } }));
    }));
  };
  const make = async () => {
    const [start, end] = [from, to].map((each) => (each.value.trim() ? parseTime(each.value.trim()) : undefined));
    const wrong = start === null || end === null;
    for (const each of [from, to]) setAttribute(each, 'aria-invalid', wrong);
    if (wrong) throw new Error('Times are seconds or a clock such as 1:30.');
    const share = /** @type {Share} */ (await request('POST', place, { from_ms: start, to_ms: end, redact: redact.checked, expires_s: Number(length.value) }));
    link.value = share.url ?? '';
    link.hidden = false;
    link.select();
    const copied = await navigator.clipboard?.writeText(link.value).then(() => true, () => false);
    said.textContent = copied ? 'Copied. The link is shown only now.' : 'Copy the link now: it is not shown again.';
    await show();
  };
  const close = () => dialog.close();
  /** @type {HTMLDialogElement} */
  const dialog = el('dialog', { class: 'export', attrs: { 'aria-labelledby': 'share-title' }, on: { click: (event) => event.target === dialog && close(), close: () => dialog.remove() } },
    el('div', { class: 'help-body' },
      el('div', { class: 'help-head' },
        el('h2', { text: 'Share this session', attrs: { id: 'share-title' } }),
        el('button', { class: 'button quiet', text: 'Close', attrs: { type: 'button' }, on: { click: close } })),
      el('fieldset', {}, el('legend', { text: 'What was recorded between' }), el('div', { class: 'range-fields' }, from, el('span', { text: 'and' }), to)),
      el('fieldset', {}, el('legend', { text: 'For' }), el('div', { class: 'range-fields' }, length), el('label', { class: 'kind-field' }, redact, 'Take secrets out')),
      el('div', { class: 'export-actions' }, el('button', { class: 'button primary', text: 'Make a link', attrs: { type: 'button' }, on: { click: () => void attempt(make) } })),
      link, said, list));
  void attempt(show);
  return dialog;
}
