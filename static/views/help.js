/** The help: every key, and what the marks on the bar mean. */

import { el, svg } from '../dom.js';
import { SHORTCUT_GROUPS } from '../shortcuts.js';
import { MARK_WORDS, mark } from './timeline.js';

const MARK_ORDER = /** @type {const} */ (['turn', 'tool', 'error', 'plan', 'subagent', 'compaction', 'hit']);

export function helpDialog() {
  const close = () => dialog.close();
  const dialog = el('dialog', { class: 'help', attrs: { 'aria-labelledby': 'help-title' }, on: { click: (event) => event.target === dialog && close() } },
    el('div', { class: 'help-body' },
      el('div', { class: 'help-head' },
        el('h2', { text: 'Keys and marks', attrs: { id: 'help-title' } }),
        el('button', { class: 'button quiet', text: 'Close', attrs: { type: 'button' }, on: { click: close } })),
      el('div', { class: 'help-groups' }, ...SHORTCUT_GROUPS.map(group), legend())));
  return dialog;
}

/** @param {(typeof SHORTCUT_GROUPS)[number]} shortcutGroup */
function group({ title, shortcuts }) {
  return el('section', {}, el('h3', { text: title }), el('dl', {}, ...shortcuts.map(({ shown, words }) =>
    el('div', { class: 'help-row' }, el('dt', {}, ...shown.map((key) => el('kbd', { text: key }))), el('dd', { text: words })))));
}

function legend() {
  return el('section', {}, el('h3', { text: 'On the bar' }), el('dl', {}, ...MARK_ORDER.map((kind) =>
    el('div', { class: 'help-row' },
      el('dt', {}, svg('svg', { class: 'legend-mark marks', viewBox: '0 0 20 22', width: 20, height: 22, 'aria-hidden': 'true' }, mark(kind, 10, 8))),
      el('dd', { text: MARK_WORDS[kind] }))),
  el('div', { class: 'help-row' }, el('dt', {}, el('span', { class: 'legend-gap' })), el('dd', { text: 'Idle for 3 s or more' }))));
}
