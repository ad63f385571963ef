/** Which tool is shown how: by its name, whoever's agent calls it, else by the kind that the protocol gives it. */

import { changesOf, contentOf, diff, write } from './diff.js';
import { askedOf, fetch, subagent } from './fetch.js';
import { fileRead } from './file-read.js';
import { generic, proposal } from './generic-tool.js';
import { search } from './search-result.js';
import { commandOf, terminal } from './terminal.js';
import { entriesOf, todo } from './todo.js';
import { pathOf } from './tool-input.js';

/** @typedef {import('./tool-input.js').Call} Call */
/** @typedef {import('./tool-input.js').Look} Look */

/** Names without case, spaces, dashes and underscores. @type {readonly [Look, string][]} */
const NAMES = [
  [terminal, 'bash bashcommand shell shellcommand execcommand exec localshell localshellcall containerexec runshellcommand runterminalcmd runterminalcommand runcommand executecommand terminal powershell bashoutput killshell writestdin'],
  [diff, 'edit multiedit notebookedit strreplace strreplaceeditor strreplacebasededittool searchreplace replace editfile applypatch applydiff patch'],
  [write, 'write writefile writetofile createfile create filewrite'],
  [fileRead, 'read readfile readmanyfiles view viewfile openfile notebookread cat'],
  [search, 'grep glob ls list listdir listdirectory listfiles search searchfiles searchfilecontent findfiles filesearch grepsearch ripgrep codebasesearch semanticsearch find toolsearch'],
  [todo, 'todowrite todoread writetodos updateplan todo todolist settodos'],
  [fetch, 'webfetch fetch websearch googlewebsearch searchweb browse readurl urlfetch httpget'],
  [subagent, 'task agent subagent spawnagent delegate dispatchagent'],
  [proposal, 'exitplanmode proposeplan'],
];

/** @type {ReadonlyMap<string, Look>} */
const BY_NAME = new Map(NAMES.flatMap(([look, names]) => names.split(' ').map((name) => /** @type {const} */ ([name, look]))));

/** @type {ReadonlyMap<string, Look>} */
const BY_KIND = new Map(Object.entries({ execute: terminal, edit: diff, read: fileRead, search, fetch }));

/** Whether a look finds in the input what it shows; if not, the generic one shows all of it. @type {ReadonlyMap<Look, (call: Call) => boolean>} */
const FITS = new Map(
  /** @type {[Look, (call: Call) => boolean][]} */ ([
    [terminal, ({ input }) => commandOf(input) !== ''],
    [diff, (call) => changesOf(call) !== null],
    [write, ({ input }) => contentOf(input) !== null],
    [fileRead, ({ input }) => pathOf(input) !== null],
    [search, ({ input }) => typeof input === 'object' && input !== null],
    [todo, ({ input }) => entriesOf(input).length > 0],
    [fetch, ({ input }) => askedOf(input) !== null],
    [subagent, ({ input }) => typeof input === 'object' && input !== null],
  ]),
);

/**
 * @param {Call} call
 * @returns {Look}
 */
export function lookOf(call) {
  const name = toolName(call.part.name).name.toLowerCase().replace(/[\s_-]+/g, '');
  const wanted = [BY_NAME.get(name), BY_KIND.get(String(call.part.kind ?? ''))];
  // An edit tool may be asked to write a whole file, and the other way round.
  if (wanted.includes(diff) || wanted.includes(write)) wanted.push(diff, write);
  return wanted.find((look) => look !== undefined && (FITS.get(look)?.(call) ?? true)) ?? generic;
}

/**
 * A tool's name, told apart from the server that offers it (`mcp__github__create_issue`).
 *
 * @param {string} full
 * @returns {{name: string, server: string | null}}
 */
export function toolName(full) {
  const found = /^mcp__(.{1,60}?)__(.+)$/.exec(full) ?? /^mcp[.:]([^.:]{1,60})[.:](.+)$/.exec(full);
  return found ? { name: found[2] ?? full, server: found[1] ?? null } : { name: full, server: null };
}
