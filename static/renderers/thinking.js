/** What the model said to itself: folded, with its first words to see. */

import { el, icon } from '../dom.js';
import { count, oneLine } from '../format.js';
import { folded, source, withShowAll } from './fold.js';
import { markdown, unmarked } from './markdown.js';

/**
 * @param {import('../protocol.js').ThinkingPart} part
 * @param {import('./index.js').Context} context
 */
export function renderThinking(part, context) {
  if (part.text.trim() === '' && !part.truncated) {
    return el('p', { class: 'part part-thinking is-empty' }, icon('brain'), 'Thinking, not recorded');
  }
  const words = part.text.trim().split(/\s+/, 2000).length;
  const size = words < 2000 ? count(words, 'word') : null;
  return folded(
    [
      icon('brain'),
      el('span', { class: 'fold-name', text: 'Thinking' }),
      el('span', { class: 'fold-glance', text: oneLine(unmarked(part.text.slice(0, 600)), 120) }),
      size && el('span', { class: 'fold-size', text: size }),
    ],
    () => withShowAll(source(part.text, part.truncated, context), (text) => [markdown(text)]),
    { class: 'part part-thinking', open: context.thinkingOpen?.() ?? false },
  );
}
