/** Terminal output to lines of coloured runs: what is left on the screen in the end, its colours as classes. */

import { ansiToJson } from '../vendor/anser/anser.js';
import { drawn } from './screen.js';

/** @typedef {import('./lines.js').Run} Run */

// What a terminal obeys without showing: operating-system commands, device strings, cursor moves, character sets.
const OSC = /(?:\u001b\]|\u009d)[^\u0007\u001b\u009c]*(?:\u0007|\u001b\\|\u009c|$)/g;
const DEVICE = /\u001b[PX^_][^\u001b]*(?:\u001b\\|$)/g;
const CSI = /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]/g;
const CSI_DRAWN = /^[\u001b\u009b]\[?([\d;]*[A-HJKdfm])$/;
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

const NAMES = new Map(['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'].map((name, index) => [name, index]));

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
  for (const entry of ansiToJson(plain, { use_classes: true, remove_empty: true })) {
    const look = looks(entry);
    // A half or unknown sequence leaves its escape in the text; it is shown as the symbol for it.
    entry.content.split('\n').forEach((part, index) => {
      if (index > 0) lines.push([]);
      if (part !== '') lines[lines.length - 1]?.push(look ? { text: part, class: look } : { text: part });
    });
  }
  return lines;
}

/** @param {import('../vendor/anser/anser.js').AnserJsonEntry} entry */
function looks(entry) {
  const fg = colour(entry.fg, entry.fg_truecolor);
  const bg = colour(entry.bg, entry.bg_truecolor);
  const classes = [];
  if (fg !== null) classes.push(`ansi-fg-${fg}`);
  if (bg !== null) classes.push(`ansi-bg-${bg}`);
  for (const name of entry.decorations) if (name !== 'reverse' && name !== 'blink') classes.push(`ansi-${name}`);
  return classes.join(' ');
}

/** One of sixteen. @param {string | null} name @param {string | null} rgb  "r, g, b" */
function colour(name, rgb) {
  if (!name) return null;
  if (name === 'ansi-truecolor') return rgb ? nearest(rgb.split(',').map(Number)) : null;
  const palette = /^ansi-palette-(\d+)$/.exec(name);
  if (palette) return fromPalette(Number(palette[1]));
  const bright = name.startsWith('ansi-bright-');
  const index = NAMES.get(name.slice(bright ? 12 : 5));
  return index === undefined ? null : index + (bright ? 8 : 0);
}

/** One of the 256 of xterm. @param {number} n */
function fromPalette(n) {
  if (n < 16) return n;
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
