/**
 * What a person's turn holds beside their words: agents write commands, their output and reminders into it as tags.
 * Those are shown as what they are, apart from the words.
 */

import { el, icon } from '../dom.js';
import { oneLine, safeText } from '../format.js';
import { folded, source, withShowAll } from './fold.js';
import { markdown } from './markdown.js';
import { terminalOutput } from './terminal.js';

/** @typedef {{tag: string | null, text: string}} Segment  `tag` is `null` for the person's own words */

/** Tags that agents put into user messages. */
const TAGS = [
  'system-reminder', 'system_reminder', 'command-name', 'command-message', 'command-args', 'command-contents', 'local-command-stdout', 'local-command-stderr',
  'local-command-caveat', 'bash-input', 'bash-stdout', 'bash-stderr', 'task-notification', 'user-prompt-submit-hook', 'environment_context', 'user_instructions',
  'ide_opened_file', 'ide_selection', 'user_info', 'attached_files',
];
const OPEN_TAG = new RegExp(`<(${TAGS.join('|')})>`, 'g');
/** More tags than this are somebody's text about tags. */
const MAX_SEGMENTS = 60;

/**
 * @param {string} text
 * @returns {Segment[]}
 */
export function segments(text) {
  /** @type {Segment[]} */
  const found = [];
  let at = 0;
  /** Tags that are opened and not closed after here: not looked for again. @type {Set<string>} */
  const unclosed = new Set();
  OPEN_TAG.lastIndex = 0;
  for (let match = OPEN_TAG.exec(text); match !== null && found.length < MAX_SEGMENTS; match = OPEN_TAG.exec(text)) {
    const tag = match[1] ?? '';
    const inside = match.index + match[0].length;
    const end = unclosed.has(tag) ? -1 : text.indexOf(`</${tag}>`, inside);
    if (end < 0) {
      unclosed.add(tag);
      continue;
    }
    if (text.slice(at, match.index).trim() !== '') found.push({ tag: null, text: text.slice(at, match.index) });
    found.push({ tag, text: text.slice(inside, end) });
    at = end + tag.length + 3;
    OPEN_TAG.lastIndex = at;
  }
  if (text.slice(at).trim() !== '') found.push({ tag: null, text: text.slice(at) });
  return found;
}

/** Whether anything in a text is a person's own words or command. @param {string} text */
export function hasOwnWords(text) {
  return segments(text).some(({ tag }) => tag === null || tag === 'command-name' || tag === 'bash-input');
}

/**
 * @param {import('../protocol.js').TextPart} part
 * @param {import('./index.js').Context} context
 */
export function renderUserText(part, context) {
  if (part.text.trim() === '' && !part.truncated) return null;
  return el('div', { class: 'part part-text' }, ...withShowAll(source(part.text, part.truncated, context), (text) => {
    const found = segments(text);
    const args = found.find(({ tag, text: value }) => tag === 'command-args' && value.trim() !== '')?.text ?? '';
    return found.map((segment) => segmentNode(segment, args));
  }));
}

/** @param {Segment} segment @param {string} args  of a slash command in the same message */
function segmentNode({ tag, text }, args) {
  switch (tag) {
    case null:
      return markdown(text);
    case 'command-name':
      return el('p', { class: 'user-command' }, el('code', { text: safeText(`${text.trim()} ${oneLine(args, 400)}`.trim()) }));
    case 'command-message':
    case 'command-args':
      return null;
    case 'bash-input':
      return el('p', { class: 'user-command' }, el('code', { text: `! ${safeText(text.trim())}` }));
    case 'local-command-stdout':
    case 'local-command-stderr':
    case 'bash-stdout':
    case 'bash-stderr':
      return text.trim() === '' ? null : terminalOutput(text, { limit: 20 });
    default:
      return folded([icon('system'), el('span', { class: 'fold-name', text: tag.replaceAll(/[-_]/g, ' ') }), el('span', { class: 'fold-glance', text: oneLine(text, 90) })], () => [markdown(text)], { class: 'fold-note' });
  }
}
