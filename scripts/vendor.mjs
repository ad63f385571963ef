/**
 * Takes the page's third-party modules out of node_modules and puts them under static/vendor/, one folder each: one
 * ES module without imports, its types, the licences of everything in it, and a README that says what it is. Then it
 * writes THIRD-PARTY-LICENSES.md, which holds the licences of all of these, and of the rules that redaction goes by.
 *
 *     npm ci && npm run vendor
 *
 * Versions are those that package-lock.json pins. To take a newer one: `npm install -D <name>@<version>`, then this.
 */

import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import highlighter from 'highlight.js';
import { common } from 'lowlight';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const VENDOR = join(ROOT, 'static', 'vendor');

/** Languages beside lowlight's `common` that agents often meet. */
const LANGUAGES = ['dart', 'dockerfile', 'protobuf'];

/** Languages that agents seldom meet and that weigh much; some pass for another one. @type {Record<string, string | null>} */
const LEFT_OUT = { arduino: 'cpp', less: 'scss', objectivec: 'c', 'php-template': 'php', powershell: 'bash', scala: 'java', perl: null, r: null, lua: null, vbnet: null, wasm: null };

/** Languages that share words, next to each other: gzip looks back 32 KB, and so the second one costs next to nothing. */
const KIN = ['css', 'scss', 'javascript', 'typescript', 'c', 'cpp'];

const NAMES = [...new Set([...KIN, ...Object.keys(common), ...LANGUAGES])].filter((name) => !(name in LEFT_OUT));

const NAME_TYPES = [
  `/** The languages that there are grammars of. */`,
  `export const languages: readonly string[];`,
  `/** Other names of languages, and the grammar of each. */`,
  `export const aliases: Readonly<Record<string, string>>;\n`,
].join('\n');

/** What else each language is called, which its grammar only says once it has been made ready. */
function aliases() {
  const grammars = /** @type {[string, string][]} */ ([...NAMES.map((name) => [name, name]), ...Object.entries(LEFT_OUT).filter(([, other]) => other)]);
  return Object.fromEntries(grammars.flatMap(([name, grammar]) =>
    [...(name === grammar ? [] : [name]), ...(highlighter.getLanguage(name)?.aliases ?? [])].map((alias) => [alias.toLowerCase(), grammar])));
}

/**
 * `entry` says what the page uses of the package, `types` the same for tsc, `use` why it is there.
 *
 * `names`, where there is one, becomes a module of its own, for whoever asks before the library has been loaded.
 *
 * @type {{name: string, entry: string, types: string, names?: string, use: string}[]}
 */
const LIBRARIES = [
  {
    name: 'marked',
    use: 'Markdown to tokens (its lexer only; static/renderers/markdown.js makes the nodes).',
    entry: `export { Lexer } from 'marked';`,
    types: `export { Lexer } from 'marked';\nexport type { Token, Tokens, TokensList } from 'marked';\n`,
  },
  {
    name: 'lowlight',
    use: 'Source code to a syntax tree (static/renderers/code.js makes the nodes).',
    entry: [
      ...NAMES.map((name, at) => `import grammar${at} from 'highlight.js/lib/languages/${name}';`),
      `export { createLowlight } from 'lowlight';`,
      `export const grammars = { ${NAMES.map((name, at) => `'${name}': grammar${at}`).join(', ')} };`,
    ].join('\n'),
    names: `export const languages = ${JSON.stringify(NAMES)};\nexport const aliases = ${JSON.stringify(aliases())};\n`,
    types: [
      `import type { createLowlight as create, LanguageFn } from 'lowlight';`,
      `export const createLowlight: typeof create;`,
      `/** By their names. Making one of these ready takes a millisecond or more. */`,
      `export const grammars: Readonly<Record<string, LanguageFn>>;\n`,
    ].join('\n'),
  },
  {
    name: 'diff',
    use: 'What changed between two texts, by lines and by words.',
    entry: `export { diffWordsWithSpace, structuredPatch } from 'diff';`,
    types: `export { diffWordsWithSpace, structuredPatch } from 'diff';\n`,
  },
];

/** Rules that others wrote are in here; its README has a table that says which, of what version and licence. */
const RULES = 'server/scrollcast/redaction/rules';

/**
 * What of others is in our files: `text` is its licence's, `files` are ours that hold it.
 *
 * @typedef {{name: string, version: string, license: string, from: string, text: string, files: string[]}} Origin
 */

/** @param {string} folder @returns {Promise<{name: string, version: string, license: string}>} */
async function manifest(folder) {
  return JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
}

/** The package folder that a bundled file belongs to. @param {string} file */
function packageOf(file) {
  const inside = file.lastIndexOf('node_modules/') + 'node_modules/'.length;
  const parts = file.slice(inside).split('/');
  return join(ROOT, file.slice(0, inside), ...parts.slice(0, parts[0]?.startsWith('@') ? 2 : 1));
}

/** The licence text of a package. @param {string} folder */
async function licence(folder) {
  const name = (await readdir(folder)).find((file) => /^licen[cs]e/i.test(file));
  if (name === undefined) throw new Error(`${folder} has no licence file`);
  return readFile(join(folder, name), 'utf8');
}

/** Of each file of rules that is not ours, where it comes from. @returns {Promise<Origin[]>} */
async function ruleOrigins() {
  const readme = await readFile(join(ROOT, RULES, 'README.md'), 'utf8');
  const rows = [...readme.matchAll(/^\| `((.+)\.toml)` \| .* \| (\d[\d.]*) \| (\S+), `(.+)` \|$/gm)];
  if (rows.length === 0) throw new Error(`${RULES}/README.md names no rules of others`);
  return Promise.all(rows.map(async ([, file, name = '', version = '', license = '', licenceFile = '']) => ({
    name, version, license,
    from: 'its repository',
    text: await readFile(join(ROOT, RULES, licenceFile), 'utf8'),
    files: [`${RULES}/${file}`],
  })));
}

/** The page that holds all licences. @param {Origin[]} origins */
function licencesPage(origins) {
  /** A fence longer than any in the text. @param {string} text */
  const fence = (text) => '`'.repeat(Math.max(3, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length + 1)));
  return [
    '# Third-party licences', '',
    'What Scrollcast holds of others, and under which licence. The libraries that pip installs beside it are not in here:',
    'each brings its own. Made by `scripts/vendor.mjs` (`make vendor`); do not edit.', '',
    '| name | version | licence |', '| --- | --- | --- |',
    ...origins.map(({ name, version, license }) => `| ${name} | ${version} | ${license} |`),
    ...origins.flatMap(({ name, version, license, from, text, files }) => [
      '', `## ${name}`, '',
      `Version ${version}, from ${from}, under ${license}, in ${files.map((file) => `\`${file}\``).join(', ')}.`, '',
      `${fence(text)}text`, text.trim().replaceAll('\r', ''), fence(text),
    ]), '',
  ].join('\n');
}

/** @type {Map<string, Origin>} */
const origins = new Map();

for (const { name, entry, types, names, use } of LIBRARIES) {
  const folder = join(VENDOR, name);
  const result = await build({
    stdin: { contents: entry, resolveDir: ROOT, sourcefile: `${name}.entry.js` },
    absWorkingDir: ROOT,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    charset: 'utf8',
    legalComments: 'inline',
    metafile: true,
    write: false,
  });
  const inputs = Object.keys(result.metafile.inputs).filter((file) => file.startsWith('node_modules/'));
  const folders = [...new Set(inputs.map(packageOf))].sort();
  const packages = await Promise.all(folders.map(manifest));
  const banner = packages.map((each) => `${each.name} ${each.version} (${each.license})`).join(', ');
  const code = result.outputFiles[0]?.text ?? '';

  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, `${name}.js`), `// ${banner}. Made by scripts/vendor.mjs; do not edit.\n${code}`);
  await writeFile(join(folder, `${name}.d.ts`), types);
  if (names) {
    await writeFile(join(folder, 'names.js'), `// ${banner}. Made by scripts/vendor.mjs; do not edit.\n${names}`);
    await writeFile(join(folder, 'names.d.ts'), NAME_TYPES);
  }
  await writeFile(
    join(folder, 'README.md'),
    [
      `# ${name}`, '', use, '',
      '| package (npm) | version | licence |', '| --- | --- | --- |',
      ...packages.map((each) => `| ${each.name} | ${each.version} | ${each.license} |`), '',
      'Bundled from the npm packages above and minified by `scripts/vendor.mjs` (`npm run vendor`), unchanged otherwise.', '',
    ].join('\n'),
  );
  for (const [index, each] of packages.entries()) {
    const suffix = packages.length > 1 ? `.${each.name.replaceAll('/', '__')}` : '';
    const text = await licence(folders[index] ?? '');
    await writeFile(join(folder, `LICENSE${suffix}`), text);
    const files = [`${name}.js`, ...(names ? ['names.js'] : [])].map((file) => `static/vendor/${name}/${file}`);
    const known = origins.get(each.name);
    if (known) known.files.push(...files);
    else origins.set(each.name, { ...each, from: 'npm', text, files });
  }
  process.stdout.write(`${name}: ${banner}, ${code.length} characters\n`);
}

const all = [...origins.values(), ...await ruleOrigins()].sort((one, other) => (one.name < other.name ? -1 : 1));
await writeFile(join(ROOT, 'THIRD-PARTY-LICENSES.md'), licencesPage(all));
