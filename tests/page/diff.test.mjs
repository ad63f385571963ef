import assert from 'node:assert/strict';
import { test } from 'node:test';

import './page.mjs';
import { diffBlock, diffTexts, parsePatch, withMarks } from '../../static/renderers/diff.js';

/** @param {import('../../static/renderers/diff.js').DiffLine[]} lines */
const plain = (lines) => lines.map(({ kind, text }) => `${{ add: '+', del: '-', ctx: ' ', hunk: '@' }[kind]}${text}`);

test('two texts become removed, added and common lines', () => {
  assert.deepEqual(plain(diffTexts('a\nb\nc', 'a\nB\nc')), [' a', '-b', '+B', ' c']);
  assert.deepEqual(plain(diffTexts('', 'a\nb')), ['+a', '+b']);
  assert.deepEqual(plain(diffTexts('a', '')), ['-a']);
});

test('line numbers are those of the file, or none', () => {
  assert.deepEqual(diffTexts('a\nb', 'a\nc', 41).map((line) => [line.old, line.new]), [[41, 41], [42, undefined], [undefined, 42]]);
  assert.equal(diffTexts('a', 'b').some((line) => line.old !== undefined || line.new !== undefined), false);
});

test('changed words are marked where the lines are alike', () => {
  const [before, after] = diffTexts('const size = 1;', 'const size = 2;');
  assert.deepEqual(before?.marks, [[13, 14]]);
  assert.deepEqual(after?.marks, [[13, 14]]);
  assert.equal(diffTexts('abc def', 'xyz 123').some((line) => line.marks), false);
});

test('texts with nothing in common are shown one after the other, quickly', () => {
  const started = performance.now();
  const lines = diffTexts(Array.from({ length: 20_000 }, (_, at) => `a${at}`).join('\n'), Array.from({ length: 20_000 }, (_, at) => `b${at}`).join('\n'));
  assert.equal(lines.length, 40_000);
  assert.ok(performance.now() - started < 1000);
});

test('a patch of the apply_patch tool is taken apart by file', () => {
  const files = parsePatch('*** Begin Patch\n*** Update File: a.py\n*** Move to: b.py\n@@ def f():\n-x\n+y\n z\n*** Add File: c\n+1\n*** Delete File: d\n*** End Patch');
  assert.deepEqual(files.map(({ path, action, to, added, removed }) => [path, action, to, added, removed]), [['a.py', 'move', 'b.py', 1, 1], ['c', 'add', undefined, 1, 0], ['d', 'delete', undefined, 0, 0]]);
  assert.deepEqual(plain(files[0]?.lines ?? []), ['@def f():', '-x', '+y', ' z']);
});

test('a unified diff keeps its line numbers', () => {
  const [file] = parsePatch('diff --git a/x.py b/x.py\nindex 1..2 100644\n--- a/x.py\n+++ b/x.py\n@@ -10,2 +10,3 @@ class A:\n a\n-b\n+c\n+d\n');
  assert.equal(file?.path, 'x.py');
  assert.deepEqual(file?.lines.map((line) => [line.kind, line.old, line.new]), [['hunk', undefined, undefined], ['ctx', 10, 10], ['del', 11, undefined], ['add', undefined, 11], ['add', undefined, 12]]);
});

test('a removed line that begins with dashes is no header', () => {
  const [file] = parsePatch('--- a/x.sql\n+++ b/x.sql\n@@ -1,2 +1,1 @@\n-a\n--- comment\n b');
  assert.deepEqual(plain(file?.lines ?? []), ['-a', '--- comment', ' b']);
});

test('marks cut runs at their edges and keep their classes', () => {
  assert.deepEqual(withMarks([{ text: 'abcd', class: 'x' }, { text: 'ef' }], [[1, 5]]), [{ text: 'a', class: 'x' }, { text: 'bcd', class: 'x mark' }, { text: 'e', class: 'mark' }, { text: 'f' }]);
});

test('an edit has two sides: what changed beside what it became, what did not on both', () => {
  const node = diffBlock([...diffTexts('a\nb\nc\nd', 'a\nB\nC\nC2\nd', 7)], 'x.txt');
  const sides = [...node.querySelectorAll('.diff-side')].map((side) => [...side.querySelectorAll('.line')].map((line) => line.textContent));
  assert.deepEqual(sides, [['a'], ['a'], ['b', 'c'], ['B', 'C', 'C2'], ['d'], ['d']]);
  assert.deepEqual([...node.querySelectorAll('.is-twin')].map((twin) => twin.getAttribute('aria-hidden')), ['true', 'true']);
  assert.deepEqual([...node.querySelectorAll('.is-ctx')].map((line) => ['old', 'n', 'row'].map((name) => line.getAttribute(`data-${name}`))), [['7', '7', '1'], ['7', '7', '1'], ['10', '11', '1'], ['10', '11', '1']]);
  assert.equal(diffBlock(diffTexts('', 'a\nb'), 'x.txt').querySelector('.diff-side'), null);
});
