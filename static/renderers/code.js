/** Source code: highlighted lines, and the block that shows them with its language and a copy button. */

import { el, icon } from '../dom.js';
import { safeText } from '../format.js';
import { aliases, languages } from '../vendor/lowlight/names.js';
import { source, withShowAll } from './fold.js';
import { block, splitLines } from './lines.js';

/** @typedef {import('./lines.js').Run} Run */

/** More than this is shown without colours: highlighting takes about a millisecond for a thousand characters. */
const HIGHLIGHT_CHARS = 30_000;
/** Time in a frame for the colours of what was drawn without. */
const SLICE_MS = 6;
/** A line longer than this is not source that someone wrote, and slow to match. */
const HIGHLIGHT_LINE_CHARS = 2000;

/** What ends of file names and fences mean, where the highlighter does not know it by that name itself. */
const LANGUAGES = new Map(
  Object.entries({
    sh: 'bash', shell: 'bash', zsh: 'bash', fish: 'bash', console: 'shell', terminal: 'shell', shellsession: 'shell',
    cjs: 'javascript', mjs: 'javascript', jsx: 'javascript', tsx: 'typescript', mts: 'typescript', cts: 'typescript',
    jsonl: 'json', ndjson: 'json', json5: 'json', jsonc: 'json', ipynb: 'json', svg: 'xml', vue: 'xml', svelte: 'xml',
    pyi: 'python', pyw: 'python', yml: 'yaml', toml: 'ini', cfg: 'ini', conf: 'ini', env: 'ini', properties: 'ini',
    h: 'c', hpp: 'cpp', cc: 'cpp', cxx: 'cpp', hh: 'cpp', mm: 'cpp', kt: 'kotlin', kts: 'kotlin',
    markdown: 'markdown', mdx: 'markdown', patch: 'diff', ps1: 'powershell', proto: 'protobuf',
    txt: 'plaintext', text: 'plaintext', log: 'plaintext', gradle: 'kotlin', sass: 'scss',
  }),
);

/** @typedef {{ highlight: (language: string, text: string) => import('hast').Root }} Highlighter */

/** Once it is there; text does not wait for it. @type {Highlighter | null} */
let highlighter = null;

/** On its way, or there. @type {Promise<void> | null} */
let coming = null;

/** What is to be drawn with colours when it is there. @type {(() => void)[]} */
const plainYet = [];

/** Files known by their whole name. */
const NAMES = new Map(Object.entries({ dockerfile: 'dockerfile', makefile: 'makefile', gnumakefile: 'makefile' }));

/**
 * The highlighter's name for a language, or `null` where it knows none.
 *
 * @param {string | null | undefined} name  of a language, as a fence gives it
 */
export function languageNamed(name) {
  const key = (name ?? '').trim().toLowerCase().split(/[\s,{:]/, 1)[0] ?? '';
  const known = LANGUAGES.get(key) ?? (Object.hasOwn(aliases, key) ? aliases[key] : null) ?? key;
  return known !== 'plaintext' && languages.includes(known) ? known : null;
}

/**
 * The language of a file, by its name.
 *
 * @param {string | null | undefined} path
 */
export function languageOfPath(path) {
  const file = (path ?? '').split(/[/\\]/).pop()?.toLowerCase() ?? '';
  const whole = NAMES.get(file);
  if (whole !== undefined) return whole;
  const dot = file.lastIndexOf('.');
  return dot < 0 ? null : languageNamed(file.slice(dot + 1));
}

/**
 * Calls back when a text that was drawn plain can have its colours; never, where it has them already or gets none.
 *
 * @param {string | null} language
 * @param {() => void} recolour
 */
export function whenColoured(language, recolour) {
  if (language === null || highlighter) return;
  plainYet.push(recolour);
  void highlighting();
}

/** Settles when the highlighter is there, or cannot be had. @returns {Promise<void>} */
export function highlighting() {
  return (coming ??= loadHighlighter());
}

async function loadHighlighter() {
  try {
    const { createLowlight, grammars } = await import('../vendor/lowlight/lowlight.js');
    const lowlight = createLowlight();
    highlighter = {
      highlight: (language, text) => {
        // A grammar when it is first needed: all of them at once would hold the page up.
        const grammar = grammars[language];
        if (grammar && !lowlight.registered(language)) lowlight.register({ [language]: grammar });
        return lowlight.highlight(language, text);
      },
    };
    colourSome();
  } catch {
    coming = null; // it is tried again with the next text
  }
}

/** A little in each frame: all at once would hold the page up. */
function colourSome() {
  const until = performance.now() + SLICE_MS;
  while (plainYet.length > 0 && performance.now() < until) plainYet.shift()?.();
  if (plainYet.length > 0) requestAnimationFrame(colourSome);
}

/**
 * The lines of a source text, each as runs with the classes of its syntax (`hl-keyword`, …). Too long a text comes
 * back plain, and any does until the highlighter is there (`whenColoured`).
 *
 * @param {string} text
 * @param {string | null} language
 * @returns {Run[][]}
 */
export function highlightLines(text, language) {
  const plain = () => text.split('\n').map((line) => [{ text: line }]);
  if (language === null || !highlighter || text.length > HIGHLIGHT_CHARS || text.split('\n').some((line) => line.length > HIGHLIGHT_LINE_CHARS)) return plain();
  try {
    /** @type {Run[][]} */
    const lines = [[]];
    collect(highlighter.highlight(language, text).children, '', lines);
    return lines;
  } catch {
    return plain();
  }
}

/**
 * @param {readonly import('hast').RootContent[]} nodes
 * @param {string} look
 * @param {Run[][]} lines
 */
function collect(nodes, look, lines) {
  for (const node of nodes) {
    if (node.type === 'element') {
      collect(node.children, classOf(node.properties.className) || look, lines);
    } else if (node.type === 'text') {
      node.value.split('\n').forEach((part, index) => {
        if (index > 0) lines.push([]);
        if (part !== '') lines[lines.length - 1]?.push(look ? { text: part, class: look } : { text: part });
      });
    }
  }
}

/** `hljs-title function_` becomes `hl-title`. @param {unknown} names */
function classOf(names) {
  const first = Array.isArray(names) ? String(names[0] ?? '') : '';
  return /^hljs-[a-z_-]+$/.test(first) ? `hl-${first.slice(5)}` : '';
}

/**
 * A block of source.
 *
 * @param {string} text
 * @param {{language?: string | null, label?: string, numbers?: boolean, start?: number, limit?: number, class?: string, wrap?: boolean}} [options]
 *   `language` as the highlighter names it; `numbers` draws line numbers from `start`
 */
export function codeLines(text, { language = null, label = 'Code', numbers = false, start = 1, limit = 40, class: name = '', wrap = false } = {}) {
  const lines = splitLines(text);
  return block({
    label, limit, wrap,
    later: (recolour) => whenColoured(language, recolour),
    class: `block-code ${numbers ? 'has-numbers' : ''} ${name}`.trim(),
    count: lines.length,
    // What comes before a range matters to the highlighter (an open comment), what comes after does not.
    lines: (from, to) => highlightLines(lines.slice(0, to).join('\n'), language).slice(from, to).map((runs, index) => (
      numbers ? { runs, data: { n: String(start + from + index) } } : { runs }
    )),
  });
}

/**
 * A fenced block: its language above, a copy button.
 *
 * @param {string} text
 * @param {string | null | undefined} language  as its writer named it
 */
export function codeBlock(text, language) {
  const name = (language ?? '').trim().split(/\s/, 1)[0] ?? '';
  const head = el('div', { class: 'code-head' }, el('span', { class: 'code-language', text: safeText(name.slice(0, 40)) || 'text' }), copyButton(() => text));
  return el('div', { class: 'code' }, head, codeLines(text, { language: languageNamed(name), label: name ? `Code, ${safeText(name.slice(0, 40))}` : 'Code' }));
}

/**
 * @param {() => string} text
 * @param {string} [label]
 */
export function copyButton(text, label = 'Copy') {
  const word = el('span', { class: 'copy-word', text: label, attrs: { 'aria-live': 'polite' } });
  const button = el('button', { class: 'copy-button', attrs: { type: 'button' } }, icon('copy'), word);
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(text());
      word.textContent = 'Copied';
    } catch {
      word.textContent = 'Not copied';
    }
    setTimeout(() => {
      word.textContent = label;
    }, 1600);
  });
  return button;
}

/**
 * @param {import('../protocol.js').CodePart} part
 * @param {import('./index.js').Context} context
 */
export function renderCode(part, context) {
  return el('div', { class: 'part part-code' }, ...withShowAll(source(part.text, part.truncated, context), (text) => [codeBlock(text, part.language)]));
}
