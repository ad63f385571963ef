/**
 * Markdown to nodes. The lexer gives tokens, and nodes are made of those here: raw HTML stays text, links lead only
 * where `link()` lets them, images are never loaded.
 */

import { el, fragment, link, text as textNode } from '../dom.js';
import { bytes, safeText } from '../format.js';
import { Lexer } from '../vendor/marked/marked.js';
import { codeBlock } from './code.js';
import { source, withShowAll } from './fold.js';
import { plainBlock } from './lines.js';

/** @typedef {import('../vendor/marked/marked.js').Token} Token */
/** @typedef {import('../vendor/marked/marked.js').Tokens.Table} Table */
/** @typedef {import('../vendor/marked/marked.js').Tokens.List} List */
/** @typedef {import('../vendor/marked/marked.js').Tokens.TableCell} TableCell */

/** Prose longer than this is a log that lost its way: shown as plain text. */
const MARKDOWN_CHARS = 400_000;
/** How much is shown at a time; the rest comes on request, so that a long text costs a bounded time. */
const STEP_CHARS = 20_000;
/** And how many lines: a list of thousands of short items is dear to take apart. */
const STEP_LINES = 1000;
/** And how many blocks (paragraphs, headings, lists) of it. */
const STEP_BLOCKS = 200;
/** A paragraph longer than this is shown without emphasis and links, whose search grows faster than the text. */
const INLINE_CHARS = 6000;
/** Nothing that people write is nested deeper; what is, is shown as its source. */
const MAX_DEPTH = 12;
const TOO_DEEP = /^(?:[ \t]*(?:>|[-*+](?=[ \t])|\d{1,9}[.)](?=[ \t]))){13}/m;
/** Indentation beyond this cannot be a list that people wrote. */
const TOO_INDENTED = /^[ \t]{60,}(?:[-*+>]|\d{1,9}[.)])[ \t]/m;
/** Tables and lists beyond this are data. */
const MAX_ROWS = 500;

/**
 * @param {string} text
 * @param {{class?: string, breaks?: boolean}} [options]  `breaks` keeps line ends as the writer set them
 * @returns {HTMLElement}
 */
export function markdown(text, { class: name = '', breaks = true } = {}) {
  const node = el('div', { class: `md ${name}`.trim() });
  if (text.length > MARKDOWN_CHARS || TOO_DEEP.test(text) || TOO_INDENTED.test(text)) {
    node.append(plainBlock(text, { label: 'Text', wrap: true, class: 'block-prose' }));
    return node;
  }
  more(node, text, breaks);
  return node;
}

/**
 * Adds the beginning of a text, and a button for what is left of it.
 *
 * @param {HTMLElement} node
 * @param {string} text
 * @param {boolean} breaks
 */
function more(node, text, breaks) {
  const at = cutAt(text, Math.min(STEP_CHARS, linesEnd(text, STEP_LINES)));
  let rest = text.slice(at);
  try {
    const tokens = lex(text.slice(0, at), breaks);
    rest = tokens.slice(STEP_BLOCKS).map((token) => token.raw).join('') + rest;
    node.append(blocks(tokens.slice(0, STEP_BLOCKS), 0));
  } catch {
    node.append(plainBlock(text.slice(0, at), { label: 'Text', wrap: true, class: 'block-prose' }));
  }
  if (rest.trim() === '') return;
  const button = el('button', { class: 'more-button md-more', attrs: { type: 'button' }, text: `Show more (${bytes(rest.length)} left)` });
  button.addEventListener('click', () => {
    button.remove();
    more(node, rest, breaks);
  });
  node.append(button);
}

/** Where so many lines of a text end. @param {string} text @param {number} lines */
function linesEnd(text, lines) {
  let at = -1;
  for (let line = 0; line < lines; line += 1) {
    at = text.indexOf('\n', at + 1);
    if (at < 0) return text.length;
  }
  return at + 1;
}

/**
 * Where to cut a text of more than `limit` characters: between paragraphs and not inside a fence, where that can be.
 *
 * @param {string} text
 * @param {number} limit
 */
export function cutAt(text, limit) {
  if (text.length <= limit) return text.length;
  const head = text.slice(0, limit);
  let best = 0;
  let open = false;
  for (const { index, 0: found } of head.matchAll(/^[ \t]*(?:`{3,}|~{3,}).*$|\n[ \t]*\n/gm)) {
    if (!found.startsWith('\n')) open = !open;
    else if (!open) best = index + found.length;
  }
  if (best > limit / 4) return best;
  const line = head.lastIndexOf('\n');
  return line > limit / 4 ? line + 1 : limit;
}

/**
 * One line with its marks: emphasis, code, links.
 *
 * @param {string} text
 * @returns {DocumentFragment}
 */
export function inlineMarkdown(text) {
  if (text.length > INLINE_CHARS) return fragment(safeText(text));
  try {
    return inlines(new Lexer({ gfm: true, breaks: false }).inlineTokens(text), 0);
  } catch {
    return fragment(safeText(text));
  }
}

/**
 * Text without the marks of emphasis, code and headings, for a glance at it in one line.
 *
 * @param {string} text
 */
export function unmarked(text) {
  return text.replace(/[*`]{1,3}|^#{1,6}\s|\b_+|_+\b/gm, '');
}

/** @param {string} text @param {boolean} breaks @returns {Token[]} */
function lex(text, breaks) {
  const lexer = new Lexer({ gfm: true, breaks });
  // The same as lexer.lex(), with a bound on what is searched for inline marks.
  lexer.blockTokens(text.replace(/\r\n|\r/g, '\n').replace(/\u0000/g, '\u2400'), lexer.tokens);
  for (const { src, tokens } of lexer.inlineQueue) {
    if (src.length > INLINE_CHARS) tokens.push({ type: 'text', raw: src, text: src, escaped: false });
    else lexer.inlineTokens(src, tokens);
  }
  lexer.inlineQueue = [];
  return lexer.tokens;
}

/** @param {Token[]} tokens @param {number} depth @returns {DocumentFragment} */
function blocks(tokens, depth) {
  return fragment(...tokens.map((token) => blockNode(token, depth)));
}

/** @param {Token} token @param {number} depth @returns {Node | null} */
function blockNode(token, depth) {
  if (depth > MAX_DEPTH) return el('p', { class: 'md-raw', text: safeText(token.raw) });
  switch (token.type) {
    case 'space':
    case 'def':
      return null;
    case 'heading':
      // All one level in the page's outline: how deep the writer's are says nothing about ours.
      return el('h3', { class: `md-h${Math.min(6, Math.max(1, token.depth))}` }, inlines(token.tokens ?? [], depth + 1));
    case 'paragraph':
      return el('p', {}, inlines(token.tokens ?? [], depth + 1));
    case 'text':
      return token.tokens ? inlines(token.tokens, depth + 1) : inlineText(token.text);
    case 'code':
      return codeBlock(token.text, token.lang);
    case 'blockquote':
      return el('blockquote', {}, blocks(token.tokens ?? [], depth + 1));
    case 'hr':
      return el('hr');
    case 'list':
      return list(/** @type {List} */ (token), depth);
    case 'table':
      return table(/** @type {Table} */ (token), depth);
    case 'html':
      return el('p', { class: 'md-raw', text: safeText(token.raw.replace(/\n+$/, '')) });
    default:
      return el('p', { class: 'md-raw', text: safeText(token.raw) });
  }
}

/** @param {List} token @param {number} depth */
function list(token, depth) {
  const items = token.items.slice(0, MAX_ROWS).map((item) => {
    // A task's box comes as a token of its own among the item's, or only as a field of it.
    const box = item.task && el('span', { class: `md-box ${item.checked ? 'is-checked' : ''}`, attrs: { role: 'img', 'aria-label': item.checked ? 'done' : 'to do' } });
    const inner = item.tokens.filter((each) => each.type !== 'checkbox');
    return el('li', { class: item.task ? 'md-task' : '' }, box, blocks(inner, depth + 1));
  });
  const rest = token.items.length > MAX_ROWS && el('li', { class: 'md-rest', text: `… ${token.items.length - MAX_ROWS} more` });
  if (!token.ordered) return el('ul', {}, ...items, rest);
  const start = Number(token.start);
  return el('ol', Number.isSafeInteger(start) && start !== 1 ? { attrs: { start } } : {}, ...items, rest);
}

/** @param {Table} token @param {number} depth */
function table(token, depth) {
  /** @param {TableCell} cell @param {'td' | 'th'} tag */
  const cellNode = (cell, tag) => el(tag, { class: cell.align ? `is-${cell.align}` : '', ...(tag === 'th' && { attrs: { scope: 'col' } }) }, inlines(cell.tokens, depth + 1));
  const rows = token.rows.slice(0, MAX_ROWS).map((row) => el('tr', {}, ...row.map((cell) => cellNode(cell, 'td'))));
  const rest = token.rows.length > MAX_ROWS && el('p', { class: 'md-rest', text: `… ${token.rows.length - MAX_ROWS} more rows` });
  const node = el('table', {}, el('thead', {}, el('tr', {}, ...token.header.map((cell) => cellNode(cell, cell.text.trim() === '' ? 'td' : 'th')))), el('tbody', {}, ...rows));
  return el('div', { class: 'md-table', attrs: { tabindex: 0, role: 'group', 'aria-label': 'Table' } }, node, rest);
}

/** @param {Token[]} tokens @param {number} depth @returns {DocumentFragment} */
function inlines(tokens, depth) {
  return fragment(...tokens.map((token) => inlineNode(token, depth)));
}

/** @param {Token} token @param {number} depth @returns {Node | null} */
function inlineNode(token, depth) {
  if (depth > MAX_DEPTH * 2) return textNode(safeText(token.raw));
  const inner = () => inlines('tokens' in token && token.tokens ? token.tokens : [], depth + 1);
  switch (token.type) {
    case 'text':
      return 'tokens' in token && token.tokens ? inner() : inlineText(token.text);
    case 'escape':
      return textNode(safeText(token.text));
    case 'strong':
      return el('strong', {}, inner());
    case 'em':
      return el('em', {}, inner());
    case 'del':
      return el('del', {}, inner());
    case 'codespan':
      return el('code', { class: 'md-code', text: safeText(token.text) });
    case 'br':
      return el('br');
    case 'link':
      return link(decoded(token.href), inner());
    case 'image':
      return imageAddress(decoded(token.href), token.text);
    case 'checkbox':
      return null;
    case 'html':
      return /^<br\s*\/?>$/i.test(token.raw) ? el('br') : textNode(safeText(token.raw));
    default:
      return textNode(safeText(token.raw));
  }
}

/** An image in prose is somewhere else: its address, to open by hand. @param {string} href @param {string} alt */
function imageAddress(href, alt) {
  const words = safeText(alt || (href.startsWith('data:') ? 'inline image' : href));
  return el('span', { class: 'md-image' }, 'Image: ', href.startsWith('data:') ? words : link(href, words));
}

/** @param {string} value */
function inlineText(value) {
  return textNode(safeText(decoded(value)));
}

/** @type {ReadonlyMap<string, string>} */
const ENTITIES = new Map(
  Object.entries({
    amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0', copy: '©', reg: '®', trade: '™', hellip: '…', mdash: '—',
    ndash: '–', lsquo: '‘', rsquo: '’', ldquo: '“', rdquo: '”', bull: '•', middot: '·', times: '×', rarr: '→', larr: '←',
    uarr: '↑', darr: '↓', deg: '°', plusmn: '±', ne: '≠', le: '≤', ge: '≥', infin: '∞', check: '✓', sect: '§', para: '¶', euro: '€',
  }),
);

/**
 * Character references as the characters they stand for; those that we do not know stay as written.
 *
 * @param {string} value
 */
export function decoded(value) {
  if (!value.includes('&')) return value;
  return value.replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z][a-z0-9]{1,10}));/gi, (whole, decimal, hex, name) => {
    if (name) return ENTITIES.get(name) ?? whole;
    const code = decimal ? Number(decimal) : parseInt(hex, 16);
    return code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff) ? String.fromCodePoint(code) : '\ufffd';
  });
}

/**
 * @param {import('../protocol.js').TextPart} part
 * @param {import('./index.js').Context} context
 */
export function renderText(part, context) {
  if (part.text.trim() === '' && !part.truncated) return null;
  return el('div', { class: 'part part-text' }, ...withShowAll(source(part.text, part.truncated, context), (text) => [markdown(text)]));
}
