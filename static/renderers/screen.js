/** What output leaves on a terminal that moves the cursor about: progress in many lines, lines that were cleared. */

/** A sequence that colours, moves or clears (ECMA-48, 8.3), a control character, text; or an escape that is none. */
const PIECE = /\u001b\[([\d;:]*)([A-HJKdfm])|[\r\n\b]|[^\u001b\r\n\b]+|\u001b/g;

/** The cursor is sent no farther beyond what is there: a few characters can send it anywhere. */
const AHEAD = 200;

/** Colours that are only added to add up to so many characters; then the last one counts. */
const MAX_LOOK = 60;

/** @typedef {{ sign: string, look: string }} Cell  `look` is the sequences that colour it */

/** @type {Cell} */
const BLANK = { sign: ' ', look: '' };

/**
 * The text that is left, with its colours and without the moves.
 *
 * @param {string} text  without sequences of other kinds
 */
export function drawn(text) {
  /** @type {Cell[][]} */
  let rows = [];
  let [row, column, look] = [0, 0, ''];
  const lastRow = text.split('\n').length + AHEAD;
  const cells = () => (rows[row] ??= []);
  for (const [piece, given = '', final] of text.matchAll(PIECE)) {
    const [first = 0, second = 0] = given.split(';').map(Number);
    const by = first || 1;
    switch (final ?? piece) {
      case 'm': look = /^0*$/.test(given) ? '' : given.startsWith('0;') || look.length > MAX_LOOK ? piece : look + piece; break;
      case 'A': row -= by; break;
      case 'B': row += by; break;
      case 'C': column += by; break;
      case 'D': case '\b': column -= by; break;
      case 'E': [row, column] = [row + by, 0]; break;
      case 'F': [row, column] = [row - by, 0]; break;
      case 'G': column = by - 1; break;
      case 'd': row = by - 1; break;
      case 'H': case 'f': [row, column] = [by - 1, (second || 1) - 1]; break;
      case 'J':
        if (first > 1) rows = [];
        if (first !== 0) break; // what comes before the cursor: nothing clears that and goes on below
        rows.length = Math.min(rows.length, row + 1);
        cells().splice(column);
        break;
      case 'K':
        if (first === 0) cells().splice(column);
        else if (first === 1) cells().fill(BLANK, 0, column + 1);
        else rows[row] = [];
        break;
      case '\r': column = 0; break;
      case '\n': [row, column] = [row + 1, 0]; break;
      case '\u001b': break;
      default:
        for (const sign of piece) cells()[column++] = { sign, look };
    }
    row = Math.min(Math.max(0, row), lastRow);
    column = Math.min(Math.max(0, column), (rows[row]?.length ?? 0) + AHEAD);
  }
  return Array.from(rows, (each) => lineOf(each ?? [])).join('\n');
}

/** @param {Cell[]} cells  some of which may be missing */
function lineOf(cells) {
  let [text, look] = ['', ''];
  for (const cell of Array.from(cells, (each) => each ?? BLANK)) {
    if (cell.look !== look) text += `\u001b[0m${cell.look}`;
    look = cell.look;
    text += cell.sign;
  }
  return look === '' ? text : `${text}\u001b[0m`;
}
