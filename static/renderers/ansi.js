/** Terminal output to lines of coloured runs: what is left on the screen in the end, its colours as classes. */

import { drawn } from './screen.js';

/** @typedef {import('./lines.js').Run} Run */

// What a terminal obeys without showing: operating-system commands, device strings, cursor moves, character sets.
const OSC = /(?:\u001b\]|\u009d)[^\u0007\u001b\u009c]*(?:\u0007|\u001b\\|\u009c|$)/g;
const DEVICE = /\u001b[PX^_][^\u001b]*(?:\u001b\\|$)/g;
const CSI = /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]/g;
const CSI_DRAWN = /^[\u001b\u009b]\[?([\d;:]*[A-HJKdfm])$/;
const MOVE = /\u001b\[[\d;]*[A-HJdf]/;
const CSI_BUT_COLOUR = /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-ln-~]/g;
const PRIVATE_COLOUR = /\u001b\[[<-?][0-?]*m/g;
const SHORT = /\u001b(?:[ #%()*+\-./].|[0-Z\\^-~])/g;
const HALF = /\u001b\[?[0-?]*$/;

/** Output longer than this is not drawn as on a screen: its moves are left out. */
const DRAWN_CHARACTERS = 200_000;

/** The sixteen colours as most terminals show them, to find the nearest to any other. @type {readonly (readonly [number, number, number])[]} */
const PALETTE = [
  [0, 0, 0], [187, 0, 0], [0, 187, 0], [187, 187, 0], [0, 0, 187], [187, 0, 187], [0, 187, 187], [187, 187, 187],
  [85, 85, 85], [255, 85, 85], [0, 255, 0], [255, 255, 85], [85, 85, 255], [255, 85, 255], [85, 255, 255], [255, 255, 255],
];

/** What codes of Select Graphic Rendition (ECMA-48, 8.3.117) switch on and off, beside colours; blinking is left out. */
const ON = new Map([[1, 'bold'], [2, 'dim'], [3, 'italic'], [4, 'underline'], [7, 'reverse'], [8, 'hidden'], [9, 'strikethrough']]);
const OFF = new Map([[21, ['bold']], [22, ['bold', 'dim']], [23, ['italic']], [24, ['underline']], [27, ['reverse']], [28, ['hidden']], [29, ['strikethrough']]]);

/** @typedef {{ fg: number | null, bg: number | null, names: ReadonlySet<string> }} Look  colours are of the sixteen */

/** @type {Look} */
const PLAIN = { fg: null, bg: null, names: new Set() };

/**
 * The text that a terminal would be left showing, colours still in it: rewritten lines (progress bars) keep what was
 * written last.
 *
 * @param {string} text
 */
export function settled(text) {
  let plain = text;
  if (/[\u001b\u009b\u009d]/.test(plain)) {
    plain = plain.replace(OSC, '').replace(DEVICE, '').replace(CSI, keptSequence).replace(PRIVATE_COLOUR, '').replace(SHORT, '').replace(HALF, '');
    if (plain.length <= DRAWN_CHARACTERS && MOVE.test(plain)) plain = drawn(plain);
    plain = plain.replace(CSI_BUT_COLOUR, '');
  }
  plain = plain.replace(/\r+\n/g, '\n');
  if (plain.includes('\r')) plain = plain.split('\n').map(lastWritten).join('\n');
  if (plain.includes('\b')) plain = plain.split('\n').map(backspaced).join('\n');
  return plain;
}

/** @param {string} sequence */
function keptSequence(sequence) {
  const found = CSI_DRAWN.exec(sequence);
  return found ? `\u001b[${found[1]}` : '';
}

/** @param {string} line */
function lastWritten(line) {
  const parts = line.split('\r').filter((part) => part !== '');
  return parts[parts.length - 1] ?? '';
}

/** @param {string} line */
function backspaced(line) {
  if (!line.includes('\b')) return line;
  /** @type {string[]} */
  const kept = [];
  for (const character of line) {
    if (character === '\b') kept.pop();
    else kept.push(character);
  }
  return kept.join('');
}

/**
 * Lines of runs, each with the classes of its look (`ansi-fg-1`, `ansi-bold`, …).
 *
 * @param {string} text  as it came, or as `settled` left it
 * @returns {Run[][]}
 */
export function ansiLines(text) {
  const plain = settled(text);
  if (!plain.includes('\u001b')) return plain.split('\n').map((line) => [{ text: line }]);
  /** @type {Run[][]} */
  const lines = [[]];
  let look = PLAIN;
  // Codes and text take turns. A half or unknown sequence leaves its escape in the text; it is shown as the symbol for it.
  plain.split(/\u001b\[([\d;:]*)m/).forEach((piece, index) => {
    if (index % 2 === 1) look = changed(look, piece.split(/[;:]/).map(Number));
    else piece.split('\n').forEach((part, line) => {
      if (line > 0) lines.push([]);
      const name = classOf(look);
      if (part !== '') lines[lines.length - 1]?.push(name ? { text: part, class: name } : { text: part });
    });
  });
  return lines;
}

/** @param {Look} look @param {number[]} codes @returns {Look} */
function changed(look, codes) {
  let { fg, bg } = look;
  const names = new Set(look.names);
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at] ?? 0;
    const on = ON.get(code);
    if (code === 0) {
      [fg, bg] = [null, null];
      names.clear();
    } else if (on) names.add(on);
    else if (code === 38 || code === 48) {
      const colour = codes[at + 1] === 5 ? fromPalette(codes[at + 2] ?? 0) : codes[at + 1] === 2 ? nearest(codes.slice(at + 2, at + 5)) : null;
      at += codes[at + 1] === 5 ? 2 : 4;
      if (code === 38) fg = colour;
      else bg = colour;
    } else if ((code >= 30 && code <= 39) || (code >= 90 && code <= 97)) fg = code === 39 ? null : (code % 10) + (code >= 90 ? 8 : 0);
    else if ((code >= 40 && code <= 49) || (code >= 100 && code <= 107)) bg = code === 49 ? null : (code % 10) + (code >= 100 ? 8 : 0);
    else for (const off of OFF.get(code) ?? []) names.delete(off);
  }
  return { fg, bg, names };
}

/** @param {Look} look */
function classOf({ fg, bg, names }) {
  if (names.has('reverse')) [fg, bg] = [bg ?? 15, fg ?? 0];
  const classes = [fg !== null && `ansi-fg-${fg}`, bg !== null && `ansi-bg-${bg}`, ...[...names].map((name) => name !== 'reverse' && `ansi-${name}`)];
  return classes.filter((each) => each).join(' ');
}

/** One of the 256 of xterm. @param {number} n */
function fromPalette(n) {
  if (n < 16) return n;
  if (n > 255) return null;
  if (n >= 232) return nearest([(n - 232) * 10 + 8, (n - 232) * 10 + 8, (n - 232) * 10 + 8]);
  const step = (/** @type {number} */ v) => (v === 0 ? 0 : v * 40 + 55);
  return nearest([step(Math.floor((n - 16) / 36)), step(Math.floor((n - 16) / 6) % 6), step((n - 16) % 6)]);
}

/** @param {number[]} rgb */
function nearest([r = 0, g = 0, b = 0]) {
  let best = 7;
  let least = Infinity;
  PALETTE.forEach(([pr, pg, pb], index) => {
    const distance = (r - pr) ** 2 + (g - pg) ** 2 + (b - pb) ** 2;
    if (distance < least) [least, best] = [distance, index];
  });
  return best;
}
