/** Tools that keep a plan or a to-do list. */

import { el } from '../dom.js';
import { safeText } from '../format.js';
import { planNews, planProgress } from './plan.js';
import { field, textField } from './tool-input.js';

/** @param {unknown} input @returns {import('./plan.js').Entry[]} */
export function entriesOf(input) {
  const list = Array.isArray(input) ? input : field(input, 'todos', 'plan', 'entries', 'items', 'tasks');
  if (!Array.isArray(list)) return [];
  return list.map((item) => ({
    content: typeof item === 'string' ? item : textField(item, 'content', 'step', 'description', 'title', 'text', 'subject') ?? '',
    status: textField(item, 'status', 'state') ?? (field(item, 'done', 'completed') === true ? 'done' : ''),
    priority: textField(item, 'priority'),
  }));
}

/** @type {import('./tool-input.js').Look} */
export const todo = {
  icon: 'list-check',
  summary: ({ input }) => {
    const entries = entriesOf(input);
    return entries.length > 0 ? planProgress(entries) : textField(input, 'subject', 'description') ?? '';
  },
  body: ({ input, place, context }) => {
    const entries = entriesOf(input);
    const why = textField(input, 'explanation');
    return [why && el('p', { class: 'tool-note', text: safeText(why) }), ...(entries.length > 0 ? planNews(entries, place, context) : [])];
  },
};
