/** Shell commands: the command at a prompt, what it printed, how it ended. */

import { el } from '../dom.js';
import { count, oneLine } from '../format.js';
import { ansiLines, settled } from './ansi.js';
import { copyButton, highlightLines, whenColoured } from './code.js';
import { withShowAll } from './fold.js';
import { block, splitLines } from './lines.js';
import { field, numberField, resultSource, resultText, textField } from './tool-input.js';

/** @typedef {import('./tool-input.js').Call} Call */

const OUTPUT_LIMIT = 40;

/** The command line that a call runs, without the shell around it. @param {unknown} input */
export function commandOf(input) {
  const command = field(input, 'command', 'cmd', 'script', 'commandLine', 'CommandLine');
  if (typeof command === 'string') return command;
  if (!Array.isArray(command)) return textField(input, 'code', 'chars', 'keystrokes') ?? (typeof input === 'string' ? input : '');
  const words = command.map(String);
  const isShell = words.length >= 3 && /(^|[/\\])(ba|z|da|fi)?sh(\.exe)?$|powershell|pwsh|^cmd/i.test(words[0] ?? '') && /^[-/]/.test(words[1] ?? '');
  return isShell ? words.slice(2).join(' ') : words.map((word) => (/[^\w@%+=:,./-]/.test(word) ? `'${word.replaceAll("'", "'\\''")}'` : word)).join(' ');
}

/**
 * What a shell tool printed and how it ended: some agents wrap both in JSON or in a header.
 *
 * @param {string} text
 * @returns {{output: string, exit: number | null}}
 */
export function outcome(text) {
  if (text.startsWith('{"output":') && text.length < 1_000_000) {
    try {
      const value = JSON.parse(text);
      if (typeof value.output === 'string') return { output: value.output, exit: numberField(field(value, 'metadata'), 'exit_code') };
    } catch {
      // Cut, or something else: shown as it is.
    }
  }
  const codex = /^(?:Chunk ID: .*\n)?(?:Exit code: (\d+)\n)?Wall time: .*\n(?:Process exited with code (\d+)\n)?(?:Process running .*\n)?(?:Original token count: .*\n)?(?:Total output lines: .*\n)?Output:\n/.exec(text);
  if (codex) return { output: text.slice(codex[0].length), exit: numberOr(codex[1] ?? codex[2]) };
  const claude = /^(?:Error: )?Exit code (\d+)(?:\n|$)/.exec(text);
  if (claude) return { output: text.slice(claude[0].length), exit: numberOr(claude[1]) };
  const openHands = /(?:\n\[(?:The command completed with exit code (-?\d+)|Current working directory: .*|Python interpreter: .*|Command finished with exit code (-?\d+))\.?\])+\s*$/.exec(text);
  if (openHands) return { output: text.slice(0, openHands.index), exit: numberOr(openHands[2] ?? openHands[1]) };
  return { output: text.replace(/^<(?:tool_use_error|error)>([\s\S]*)<\/(?:tool_use_error|error)>\s*$/, '$1'), exit: null };
}

/** @param {string | undefined} digits */
function numberOr(digits) {
  return digits === undefined ? null : Number(digits);
}

/** @type {import('./tool-input.js').Look} */
export const terminal = {
  icon: 'terminal',
  summary: ({ input }) => oneLine(textField(input, 'description') ?? commandOf(input), 120),
  badges: ({ input, results }) => {
    const { exit } = outcome(resultText(results).slice(0, 2000));
    return [
      ...(field(input, 'run_in_background') === true ? [{ text: 'in background' }] : []),
      ...(exit !== null && exit !== 0 ? [{ text: `exit ${exit}`, class: 'is-error' }] : []),
    ];
  },
  body: ({ input, results, context }) => {
    const command = commandOf(input);
    const output = results.length > 0 && withShowAll(resultSource(results, context), (text) => [terminalOutput(outcome(text).output)]);
    return [el('div', { class: 'terminal', data: { frame: '' } }, command !== '' && promptNode(command), ...(output || []))];
  },
};

/** @param {string} command */
function promptNode(command) {
  const lines = splitLines(command.trimEnd());
  const node = block({
    label: 'Command', limit: 16, wrap: true, class: 'terminal-command', count: lines.length,
    later: (recolour) => whenColoured('bash', recolour),
    lines: (from, to) => highlightLines(lines.slice(0, to).join('\n'), 'bash').slice(from, to).map((runs, index) => ({ runs, class: from + index === 0 ? 'is-prompt' : '' })),
  });
  return el('div', { class: 'terminal-prompt' }, node, copyButton(() => command));
}

/**
 * Terminal output, colours and all.
 *
 * @param {string} text
 * @param {{limit?: number, label?: string}} [options]
 */
export function terminalOutput(text, { limit = OUTPUT_LIMIT, label = 'Output' } = {}) {
  if (text.trim() === '') return el('p', { class: 'empty-output', text: 'no output' });
  const lines = splitLines(settled(text).replace(/^\n+|\s+$/g, ''));
  return block({
    label: `${label}, ${count(lines.length, 'line')}`, limit, class: 'terminal-output', count: lines.length,
    // Colours carry over from line to line, so parsing starts at the top of the range's clip.
    lines: (from, to) => ansiLines(lines.slice(0, to).join('\n')).slice(from, to).map((runs) => ({ runs })),
  });
}
