import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ansiLines, settled } from '../../static/renderers/ansi.js';

/** @param {string} text */
const words = (text) => ansiLines(text).map((line) => line.map((run) => [run.text, run.class ?? '']));

test('colours become classes, and carry over line ends', () => {
  assert.deepEqual(words('\u001b[1;31mred\nstill\u001b[0m plain'), [[['red', 'ansi-fg-1 ansi-bold']], [['still', 'ansi-fg-1 ansi-bold'], [' plain', '']]]);
});

test('bright, 256 and true colours are the nearest of sixteen', () => {
  assert.equal(words('\u001b[92ma')[0]?.[0]?.[1], 'ansi-fg-10');
  assert.equal(words('\u001b[38;5;9ma')[0]?.[0]?.[1], 'ansi-fg-9');
  assert.equal(words('\u001b[38;2;250;250;250ma')[0]?.[0]?.[1], 'ansi-fg-15');
  assert.equal(words('\u001b[48;5;16ma')[0]?.[0]?.[1], 'ansi-bg-0');
});

for (const [text, expected] of [
  ['a\r\nb', 'a\nb'], ['10%\r100%', '100%'], ['abc\r', 'abc'], ['ab\bc', 'ac'], ['\u001b]0;title\u0007a', 'a'], ['\u001b]8;;javascript:alert(1)\u001b\\a\u001b]8;;\u001b\\', 'a'],
  ['\u001b[2K\u001b[1Ga', 'a'], ['\u001b[?25la', 'a'], ['\u001b(Ba', 'a'], ['a\u001b[', 'a'], ['\u001bPq#0\u001b\\a', 'a'], ['\u001b[>4;2ma', 'a'],
]) {
  test(`a terminal shows ${JSON.stringify(text)} as ${JSON.stringify(expected)}`, () => assert.equal(settled(text ?? ''), expected));
}

test('no run has a class from the text itself', () => {
  for (const line of words('\u001b[31;constructor;__proto__mx\u001b[999mx\u001b[38;5;999my')) for (const [, look] of line) assert.match(look ?? '', /^(ansi-[a-z]+(-\d+)? ?)*$/);
});

for (const [name, text] of Object.entries({ escapes: '\u001b'.repeat(65_536), titles: '\u001b]0;a'.repeat(13_000), strings: '\u001bPa'.repeat(20_000), returns: 'abc\r'.repeat(16_000), backs: 'a\b'.repeat(32_000) })) {
  test(`64 KB of ${name} are quick`, () => {
    const started = performance.now();
    ansiLines(text);
    assert.ok(performance.now() - started < 500);
  });
}
