/**
 * Blocks of lines: code, terminal output, diffs, logs. However long the text, only a bounded part of it is put into
 * the page at a time; the rest comes on request.
 */

import { clear, el } from '../dom.js';
import { bytes, count, safeText } from '../format.js';

/** @typedef {{text: string, class?: string}} Run  a stretch of one line in one look */
/** @typedef {{runs: Run[], class?: string, data?: Record<string, string>}} Line */

/** A line longer than this is shown up to here, with a button for the rest: one line can be a megabyte. */
const LINE_CHARS = 2000;
/** What that button adds at a time. */
const LINE_STEP_CHARS = 100_000;
/** How many lines "show all" adds at a time. */
const STEP_LINES = 2000;
/** How many of them go into the page in one frame: laying out more of them would hold it up. */
const FRAME_LINES = 100;
/** Clipped blocks show this share of their limit, so that clipping always saves something worth a click. */
const SHOWN_SHARE = 0.6;

/**
 * @typedef {Object} BlockOptions
 * @property {string} label  what it is, for screen readers: "Output", "Code"
 * @property {number} count  how many lines there are
 * @property {(from: number, to: number) => Line[]} lines  makes a half-open range of them
 * @property {number} [limit]  a block of more lines than this is clipped
 * @property {string} [class]
 * @property {boolean} [wrap]  long lines wrap, instead of scrolling sideways
 * @property {(redo: () => void) => void} [later]  is given what is to be called when the same lines have other looks
 * @property {(lines: Line[]) => HTMLElement[]} [draw]  puts them together in another way than one below the other
 */

/**
 * @param {BlockOptions} options
 * @returns {HTMLElement}
 */
export function block({ label, count: total, lines, limit = 40, class: name = '', wrap = false, later, draw = (some) => some.map(lineNode) }) {
  const code = el('code', { class: 'lines' });
  const scroll = el('div', { class: 'block-scroll', attrs: { tabindex: 0, role: 'group', 'aria-label': label } }, el('pre', {}, code));
  const node = el('div', { class: `block ${wrap ? 'block-wrap' : ''} ${name}`.trim() }, scroll);
  let to = 0;
  /** Nodes of lines that are on their way into the page. @type {HTMLElement[]} */
  let coming = [];
  /** @param {HTMLElement[]} some */
  const add = (some) => {
    if (some !== coming) return; // more were asked for meanwhile, or fewer
    code.append(...some.splice(0, FRAME_LINES));
    if (some.length > 0) requestAnimationFrame(() => add(some));
  };
  /** @param {number} end */
  const extend = (end) => {
    coming = [...coming, ...draw(lines(to, end))];
    to = end;
    add(coming);
  };
  later?.(() => recolour([...code.children, ...coming], draw(lines(0, to))));
  if (total <= limit) {
    extend(total);
    return node;
  }

  const shown = Math.max(4, Math.round(limit * SHOWN_SHARE));
  const button = el('button', { class: 'more-button block-more', attrs: { type: 'button', 'aria-expanded': false } });
  const clip = () => {
    clear(code);
    coming = [];
    to = 0;
    extend(shown);
    node.classList.add('is-clipped');
    button.setAttribute('aria-expanded', 'false');
    button.textContent = `Show all ${count(total, 'line')}`;
  };
  button.addEventListener('click', () => {
    if (to >= total) {
      clip();
      node.scrollIntoView({ block: 'nearest' });
      return;
    }
    extend(Math.min(total, to + (to === shown ? STEP_LINES - shown : STEP_LINES)));
    node.classList.toggle('is-clipped', to < total);
    button.setAttribute('aria-expanded', 'true');
    button.textContent = to >= total ? 'Show less' : `Show more (${count(total - to, 'line')} left)`;
  });
  clip();
  node.append(button);
  return node;
}

/**
 * Gives lines the looks that others have. What they say is the same, so that nothing moves.
 *
 * @param {readonly Element[]} shown
 * @param {readonly Element[]} coloured
 */
function recolour(shown, coloured) {
  coloured.forEach((line, index) => {
    const old = shown[index];
    if (old && old.textContent === line.textContent) old.replaceChildren(...line.childNodes);
  });
}

/**
 * Plain text as such a block.
 *
 * @param {string} text
 * @param {{label: string, limit?: number, class?: string, wrap?: boolean}} options
 */
export function plainBlock(text, options) {
  const lines = splitLines(text);
  return block({ ...options, count: lines.length, lines: (from, to) => lines.slice(from, to).map((line) => ({ runs: [{ text: line }] })) });
}

/**
 * The lines of a text, without the empty one after its last newline.
 *
 * @param {string} text
 */
export function splitLines(text) {
  const lines = text.split(/\r\n|\n|\r/);
  if (lines.length > 1 && lines[lines.length - 1] === '') lines.pop();
  return lines;
}

/** @param {Line} line */
export function lineNode({ runs, class: name, data }) {
  const node = el('span', { class: name ? `line ${name}` : 'line', data: data ?? {} });
  let room = LINE_CHARS;
  /** @type {string[]} */
  const rest = [];
  for (const run of runs) {
    if (room <= 0) {
      rest.push(run.text);
      continue;
    }
    const now = run.text.slice(0, room);
    if (run.text.length > room) rest.push(run.text.slice(room));
    room -= now.length;
    node.append(run.class ? el('span', { class: run.class, text: safeText(now) }) : safeText(now));
  }
  if (rest.length > 0) node.append(restOfLine(rest.join('')));
  return node;
}

/** A button in a line that stands for the rest of it. @param {string} rest */
function restOfLine(rest) {
  const button = el('button', { class: 'rest-button', attrs: { type: 'button' }, title: 'Show more of this line' });
  let at = 0;
  const label = () => {
    button.textContent = `+ ${bytes(rest.length - at)}`;
  };
  button.addEventListener('click', () => {
    button.before(safeText(rest.slice(at, at + LINE_STEP_CHARS)));
    at += LINE_STEP_CHARS;
    if (at >= rest.length) button.remove();
    else label();
  });
  label();
  return button;
}
