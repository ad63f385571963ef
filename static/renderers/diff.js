/** Edits of files: what was there and what is there now, line by line, changed words marked. */

import { el, icon } from '../dom.js';
import { count, safeText } from '../format.js';
import { diffWordsWithSpace, structuredPatch } from '../vendor/diff/diff.js';
import { codeLines, highlightLines, languageOfPath, whenColoured } from './code.js';
import { withShowAll } from './fold.js';
import { block, lineNode, splitLines } from './lines.js';
import { terminalOutput } from './terminal.js';
import { failed, field, pathOf, resultSource, resultText, shortPath, textField } from './tool-input.js';

/** @typedef {import('./lines.js').Line} Line */
/** @typedef {import('./lines.js').Run} Run */
/** @typedef {import('./tool-input.js').Call} Call */
/** @typedef {{kind: 'add' | 'del' | 'ctx' | 'hunk', text: string, old?: number, new?: number, marks?: [number, number][]}} DiffLine */
/** @typedef {{path: string, action: 'edit' | 'add' | 'delete' | 'move', to?: string, lines: DiffLine[], added: number, removed: number}} FileDiff */

/** Beyond this much work the two texts are shown one after the other: they have little in common. */
const MAX_EDITS = 2000;
const TIMEOUT_MS = 25;
const DIFF_CHARS = 300_000;
/** Pairs of lines in which changed words are looked for. */
const MARK_PAIRS = 60;
const MARK_CHARS = 300;
const CLIP_LINES = 40;

/**
 * The difference between two texts.
 *
 * @param {string} before
 * @param {string} after
 * @param {number | null} [firstLine]  where the texts begin in their file, `null` when that is not known
 * @returns {DiffLine[]}
 */
export function diffTexts(before, after, firstLine = null) {
  const patch = before.length + after.length <= DIFF_CHARS
    ? structuredPatch('a', 'b', ended(before), ended(after), '', '', { context: 3, maxEditLength: MAX_EDITS, timeout: TIMEOUT_MS })
    : undefined;
  if (!patch) return marked([...splitLines(before).map(kindOf('del')), ...splitLines(after).map(kindOf('add'))]);
  /** @type {DiffLine[]} */
  const lines = [];
  for (const [index, hunk] of patch.hunks.entries()) {
    if (index > 0) lines.push({ kind: 'hunk', text: '' });
    const offset = firstLine === null ? null : firstLine - 1;
    number(lines, hunk.lines, offset === null ? null : hunk.oldStart + offset, offset === null ? null : hunk.newStart + offset);
  }
  return marked(lines);
}

/** @param {string} text */
function ended(text) {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`;
}

/** @param {DiffLine['kind']} kind @returns {(text: string) => DiffLine} */
function kindOf(kind) {
  return (text) => ({ kind, text });
}

/**
 * Lines of a hunk, each with its sign, appended as ours.
 *
 * @param {DiffLine[]} lines
 * @param {string[]} signed
 * @param {number | null} oldStart
 * @param {number | null} newStart
 */
function number(lines, signed, oldStart, newStart) {
  let old = oldStart;
  let now = newStart;
  for (const each of signed) {
    const text = each.slice(1);
    if (each.startsWith('\\')) continue;
    if (each.startsWith('-')) lines.push({ kind: 'del', text, ...(old !== null && { old: old++ }) });
    else if (each.startsWith('+')) lines.push({ kind: 'add', text, ...(now !== null && { new: now++ }) });
    else lines.push({ kind: 'ctx', text, ...(old !== null && { old: old++ }), ...(now !== null && { new: now++ }) });
  }
}

/**
 * Marks what changed inside lines: runs of removed lines followed by as many added ones are compared pair by pair.
 *
 * @param {DiffLine[]} lines
 */
function marked(lines) {
  let budget = MARK_PAIRS;
  for (let at = 0; at < lines.length && budget > 0; ) {
    const dels = runLength(lines, at, 'del');
    const adds = runLength(lines, at + dels, 'add');
    if (dels > 0 && dels === adds) {
      for (let pair = 0; pair < dels && budget > 0; pair += 1, budget -= 1) markPair(lines[at + pair], lines[at + dels + pair]);
    }
    at += Math.max(1, dels + adds);
  }
  return lines;
}

/** @param {DiffLine[]} lines @param {number} from @param {DiffLine['kind']} kind */
function runLength(lines, from, kind) {
  let length = 0;
  while (lines[from + length]?.kind === kind) length += 1;
  return length;
}

/** @param {DiffLine | undefined} before @param {DiffLine | undefined} after */
function markPair(before, after) {
  if (!before || !after || before.text.length > MARK_CHARS || after.text.length > MARK_CHARS) return;
  /** @type {[number, number][]} */
  const gone = [];
  /** @type {[number, number][]} */
  const come = [];
  let [a, b, same] = [0, 0, 0];
  for (const change of diffWordsWithSpace(before.text, after.text)) {
    const size = change.value.length;
    const visible = change.value.trim() !== '';
    if (change.removed) a = pushed(gone, a, size, visible);
    else if (change.added) b = pushed(come, b, size, visible);
    else [a, b, same] = [a + size, b + size, same + change.value.trim().length];
  }
  // Lines that share little are two lines, not one that changed.
  if (same * 2 < Math.min(before.text.trim().length, after.text.trim().length)) return;
  before.marks = gone;
  after.marks = come;
}

/** Adds a range, unless nothing in it can be seen; says where the next begins. @param {[number, number][]} ranges @param {number} at @param {number} size @param {boolean} visible */
function pushed(ranges, at, size, visible) {
  if (visible) ranges.push([at, at + size]);
  return at + size;
}

/** @param {string} path @param {FileDiff['action']} action @param {DiffLine[]} lines @param {string} [to] @returns {FileDiff} */
function fileDiff(path, action, lines, to) {
  return { path, action, lines, ...(to && { to }), added: lines.filter((line) => line.kind === 'add').length, removed: lines.filter((line) => line.kind === 'del').length };
}

/**
 * A patch as the `apply_patch` tool takes it, or a unified diff.
 *
 * @param {string} text
 * @returns {FileDiff[]}
 */
export function parsePatch(text) {
  /** @type {{path: string, action: FileDiff['action'], to?: string, lines: DiffLine[]}[]} */
  const files = [];
  let old = /** @type {number | null} */ (null);
  let now = /** @type {number | null} */ (null);
  const begin = (/** @type {string} */ path, /** @type {FileDiff['action']} */ action) => {
    files.push({ path, action, lines: [] });
    [old, now] = action === 'add' ? [null, 1] : [null, null];
  };
  let removedFile = '';
  for (const line of splitLines(text)) {
    const file = files[files.length - 1];
    const header = /^\*\*\* (Update|Add|Delete) File: (.*)$/.exec(line);
    const hunk = /^@@+ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@(.*)$/.exec(line);
    if (header) {
      begin(header[2] ?? '', header[1] === 'Add' ? 'add' : header[1] === 'Delete' ? 'delete' : 'edit');
    } else if (line.startsWith('*** Move to: ') && file) {
      file.action = 'move';
      file.to = line.slice(13);
    } else if (/^\*\*\* (Begin|End)/.test(line) || line.startsWith('diff --git ') || /^(index|new file mode|deleted file mode|old mode|new mode|similarity index) /.test(line)) {
      continue;
    } else if (line.startsWith('--- ') && !inHunk(file)) {
      removedFile = gitPath(line.slice(4));
    } else if (line.startsWith('+++ ') && removedFile !== '') {
      const path = gitPath(line.slice(4));
      if (removedFile === '/dev/null') begin(path, 'add');
      else begin(path === '/dev/null' ? removedFile : path, path === '/dev/null' ? 'delete' : 'edit');
      removedFile = '';
    } else if (!file) {
      continue;
    } else if (hunk) {
      if (file.lines.length > 0 || hunk[3]?.trim()) file.lines.push({ kind: 'hunk', text: (hunk[3] ?? '').trim() });
      [old, now] = [Number(hunk[1]), Number(hunk[2])];
    } else if (line.startsWith('@@')) {
      const where = line.slice(2).trim();
      if (file.lines.length > 0 || where !== '') file.lines.push({ kind: 'hunk', text: where });
    } else {
      const before = file.lines.length;
      number(file.lines, [line === '' ? ' ' : line], old, now);
      const kind = file.lines.length > before ? file.lines[file.lines.length - 1]?.kind : undefined;
      if (old !== null && (kind === 'del' || kind === 'ctx')) old += 1;
      if (now !== null && (kind === 'add' || kind === 'ctx')) now += 1;
    }
  }
  return files.map((file) => fileDiff(file.path, file.action, marked(file.lines), file.to));
}

/** Whether `---` can only be a removed line here. @param {{lines: DiffLine[]} | undefined} file */
function inHunk(file) {
  return file !== undefined && file.lines.length > 0 && file.lines[file.lines.length - 1]?.kind === 'del';
}

/** @param {string} name */
function gitPath(name) {
  const path = name.split('\t', 1)[0]?.trim() ?? '';
  return path.replace(/^[ab]\//, '');
}

/** Comparing is the dear part of showing an edit, and its card asks for it three times. @type {WeakMap<Call, FileDiff[] | null>} */
const compared = new WeakMap();

/**
 * The changes that a call asks for; `null` where its input is of no known shape.
 *
 * @param {Call} call
 * @returns {FileDiff[] | null}
 */
export function changesOf(call) {
  let changes = compared.get(call);
  if (changes === undefined) {
    changes = findChanges(call);
    compared.set(call, changes);
  }
  return changes;
}

/** @param {Call} call @returns {FileDiff[] | null} */
function findChanges({ input, results }) {
  const patch = typeof input === 'string' ? input : textField(input, 'patch', 'patchText', 'diff', 'input') ?? commandPatch(input);
  if (patch !== null && /^(\*\*\* |--- |diff --git )/m.test(patch)) return parsePatch(patch);
  const path = pathOf(input) ?? '';
  const edits = field(input, 'edits');
  const pairs = (Array.isArray(edits) ? edits : [input]).map((edit) => ({
    before: textField(edit, 'old_string', 'oldString', 'old_text', 'oldText', 'old_str', 'old_content'),
    after: textField(edit, 'new_string', 'newString', 'new_text', 'newText', 'new_str', 'new_content', 'new_source'),
  }));
  if (!pairs.some((pair) => pair.before !== null || pair.after !== null)) return toldChanges(results, path);
  const isNew = pairs.length === 1 && !pairs[0]?.before;
  const snippet = pairs.length === 1 ? numberedLines(resultText(results)) : null;
  const lines = pairs.flatMap(({ before, after }, index) => [
    ...(index > 0 ? [/** @type {DiffLine} */ ({ kind: 'hunk', text: '' })] : []),
    ...diffTexts(before ?? '', after ?? '', isNew ? 1 : snippet && firstLineIn(snippet, after ?? '')),
  ]);
  return [fileDiff(path, 'edit', lines)];
}

/** @param {Call['results']} results @param {string} path  where none is told @returns {FileDiff[] | null} */
function toldChanges(results, path) {
  const told = results.flatMap((result) => result.output).flatMap((part) => (part.type === 'unknown' && isDiffPart(part) ? [part.raw] : []));
  if (told.length === 0) return null;
  return told.map((raw) => {
    const before = textField(raw, 'oldText');
    return fileDiff(pathOf(raw) ?? path, before === null ? 'add' : 'edit', diffTexts(before ?? '', textField(raw, 'newText') ?? '', before === null ? 1 : null));
  });
}

/** Whether a part of a result is a file's change, as the Agent Client Protocol tells it. @param {import('../protocol.js').Part} part */
function isDiffPart(part) {
  return part.type === 'unknown' && field(part.raw, 'type') === 'diff' && textField(part.raw, 'newText') !== null;
}

/** A patch that is the argument of a shell command. @param {unknown} input */
function commandPatch(input) {
  const command = field(input, 'command');
  const words = Array.isArray(command) ? command.map(String) : [];
  return words[0] === 'apply_patch' ? words[1] ?? null : null;
}

/** The lines that a result shows of the file, with their numbers (`cat -n`). @param {string} text */
function numberedLines(text) {
  /** @type {Map<number, string>} */
  const lines = new Map();
  for (const line of splitLines(text.slice(0, 100_000))) {
    const found = /^\s*(\d+)(?:→|\t)(.*)$/.exec(line);
    if (found) lines.set(Number(found[1]), found[2] ?? '');
  }
  return lines.size > 0 ? lines : null;
}

/** Where a text stands among numbered lines. @param {Map<number, string>} lines @param {string} text @returns {number | null} */
function firstLineIn(lines, text) {
  const wanted = splitLines(text);
  for (const start of lines.keys()) {
    if (wanted.every((line, index) => index > 200 || lines.get(start + index)?.endsWith(index === 0 ? line : '') && (index === 0 || lines.get(start + index) === line))) return start;
  }
  return null;
}

/** @type {import('./tool-input.js').Look} */
export const diff = {
  icon: 'edit',
  summary: (call) => {
    const changes = changesOf(call);
    if (changes && changes.length > 1) return count(changes.length, 'file');
    return shortPath(changes?.[0]?.path || pathOf(call.input) || '');
  },
  badges: (call) => {
    const changes = changesOf(call) ?? [];
    const [added, removed] = [changes.reduce((sum, file) => sum + file.added, 0), changes.reduce((sum, file) => sum + file.removed, 0)];
    return [...(added ? [{ text: `+${added}`, class: 'is-added' }] : []), ...(removed ? [{ text: `−${removed}`, class: 'is-removed' }] : [])];
  },
  holds: isDiffPart,
  body: (call) => {
    const changes = changesOf(call) ?? [];
    const names = changes.length > 1 || changes.some((file) => file.action !== 'edit');
    return [...changes.map((file) => fileNode(file, names)), ...complaint(call)];
  },
};

/** A failed edit's reason. A successful one's result says only what the diff shows. @param {Call} call */
function complaint({ results, context }) {
  if (!failed(results)) return [];
  return withShowAll(resultSource(results, context), (text) => [terminalOutput(text.replace(/<\/?tool_use_error>/g, ''), { limit: 12, label: 'Error' })]);
}

const ACTIONS = { edit: '', add: 'new file', delete: 'deleted', move: 'moved to' };

/** @param {FileDiff} file @param {boolean} named */
function fileNode(file, named) {
  const head = named && el(
    'div', { class: 'diff-head' }, icon('file'), el('span', { class: 'path', text: safeText(shortPath(file.path)) }),
    ACTIONS[file.action] && el('span', { class: 'tool-badge', text: ACTIONS[file.action] }), file.to && el('span', { class: 'path', text: safeText(shortPath(file.to)) }),
    file.added > 0 && el('span', { class: 'tool-badge is-added', text: `+${file.added}` }), file.removed > 0 && el('span', { class: 'tool-badge is-removed', text: `−${file.removed}` }),
  );
  return el('div', { class: 'diff' }, head, file.lines.length > 0 && diffBlock(file.lines, file.path));
}

/**
 * One below the other; side by side where there is room (the style sheet decides), and two sides to compare.
 *
 * @param {DiffLine[]} lines
 * @param {string} path
 */
export function diffBlock(lines, path) {
  const language = languageOfPath(path);
  const numbered = lines.some((line) => line.old !== undefined || line.new !== undefined);
  const twoSided = ['add', 'del'].every((kind) => lines.some((line) => line.kind === kind));
  return block({
    label: 'Changes', limit: CLIP_LINES, count: lines.length, class: ['block-diff', numbered && 'has-numbers', twoSided && 'is-two-sided'].filter(Boolean).join(' '),
    ...(twoSided && { draw: sideBySide }),
    later: (recolour) => whenColoured(language, recolour),
    lines: (from, to) => {
      const looks = highlightedSides(lines.slice(0, to), language);
      return lines.slice(from, to).map((line, index) => ({
        runs: line.kind === 'hunk' ? [{ text: line.text || '⋯' }] : withMarks(looks[from + index] ?? [{ text: line.text }], line.marks ?? []),
        class: `is-${line.kind}`,
        ...(numbered && { data: { n: String((line.kind === 'del' ? line.old : line.new) ?? line.old ?? ''), ...(line.kind === 'ctx' && { old: String(line.old ?? '') }) } }),
      }));
    },
  });
}

/**
 * Stretches of lines, each with what was on the left and what is on the right. What did not change stands on both
 * sides, the second time only for the eye.
 *
 * @param {Line[]} lines
 * @returns {HTMLElement[]}
 */
function sideBySide(lines) {
  /** @type {HTMLElement[]} */
  const drawn = [];
  for (let at = 0; at < lines.length; ) {
    const same = stretch(lines, at, 'is-ctx');
    const before = stretch(lines, at, 'is-del');
    const after = stretch(lines, at + before.length, 'is-add');
    if (same.length > 0) drawn.push(sides(side(same), side(same, true)));
    else if (before.length + after.length > 0) drawn.push(sides(side(before), side(after)));
    else drawn.push(...lines.slice(at, at + 1).map(lineNode));
    at += Math.max(1, same.length + before.length + after.length);
  }
  return drawn;
}

/** @param {Line[]} lines @param {number} from @param {string} kind  the class of its lines */
function stretch(lines, from, kind) {
  let to = from;
  while (lines[to]?.class === kind) to += 1;
  return lines.slice(from, to);
}

/** @param {HTMLElement} left @param {HTMLElement} right */
function sides(left, right) {
  return el('span', { class: 'diff-sides' }, left, right);
}

/** @param {Line[]} lines @param {boolean} [twin]  whether they stand on the other side too */
function side(lines, twin = false) {
  const nodes = lines.map((line, row) => lineNode({ ...line, data: { ...line.data, row: String(row + 1) } }));
  return el('span', { class: twin ? 'diff-side is-twin' : 'diff-side', attrs: twin ? { 'aria-hidden': true } : {} }, ...nodes);
}

/** Both sides highlighted as the files they are, put back in the order of the diff. @param {DiffLine[]} lines @param {string | null} language */
function highlightedSides(lines, language) {
  const side = (/** @type {DiffLine['kind']} */ other) => highlightLines(lines.filter((line) => line.kind !== other).map((line) => (line.kind === 'hunk' ? '' : line.text)).join('\n'), language);
  const [before, after] = [side('add'), side('del')];
  let [b, a] = [0, 0];
  return lines.map((line) => {
    const old = line.kind === 'add' ? undefined : before[b++];
    const now = line.kind === 'del' ? undefined : after[a++];
    return now ?? old ?? [{ text: line.text }];
  });
}

/**
 * Runs cut at the edges of the marked ranges, those inside them marked.
 *
 * @param {Run[]} runs
 * @param {[number, number][]} marks
 * @returns {Run[]}
 */
export function withMarks(runs, marks) {
  if (marks.length === 0) return runs;
  /** @type {Run[]} */
  const cut = [];
  let at = 0;
  for (const run of runs) {
    const end = at + run.text.length;
    const edges = [at, ...marks.flat().filter((edge) => edge > at && edge < end), end];
    for (let index = 0; index + 1 < edges.length; index += 1) {
      const [from, to] = [edges[index] ?? at, edges[index + 1] ?? end];
      if (from === to) continue;
      const inside = marks.some(([start, stop]) => from >= start && to <= stop);
      const name = [run.class, inside && 'mark'].filter(Boolean).join(' ');
      cut.push({ text: run.text.slice(from - at, to - at), ...(name && { class: name }) });
    }
    at = end;
  }
  return cut;
}

/** A whole file written: its text, as code. @type {import('./tool-input.js').Look} */
export const write = {
  icon: 'file',
  summary: ({ input }) => shortPath(pathOf(input) ?? ''),
  badges: ({ input }) => [{ text: `+${splitLines(contentOf(input) ?? '').length}`, class: 'is-added' }],
  body: (call) => {
    const text = contentOf(call.input) ?? '';
    return [codeLines(text, { language: languageOfPath(pathOf(call.input)), label: 'Written text', numbers: true, limit: 24, class: 'block-written' }), ...complaint(call)];
  },
};

/** What a writing tool writes. @param {unknown} input */
export function contentOf(input) {
  return textField(input, 'content', 'contents', 'file_text', 'text', 'new_source');
}
