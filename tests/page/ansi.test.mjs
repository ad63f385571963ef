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

for (const [codes, look] of [
  ['1;4', 'ansi-bold ansi-underline'], ['1;22;3', 'ansi-italic'], ['31;39', ''], ['44', 'ansi-bg-4'], ['44;49', ''], ['107', 'ansi-bg-15'], ['31;42;7', 'ansi-fg-2 ansi-bg-1'], ['7', 'ansi-fg-15 ansi-bg-0'], ['7;27', ''],
  ['38;5;196;1', 'ansi-fg-1 ansi-bold'], ['38:2:250:0:0', 'ansi-fg-1'], ['38', ''], ['38;5', 'ansi-fg-0'], ['48;2;1', 'ansi-bg-0'], ['31;;1', 'ansi-bold'], ['5', ''], ['9;2', 'ansi-strikethrough ansi-dim'],
]) {
  test(`the codes ${codes} look like ${look || 'nothing'}`, () => assert.equal(words(`\u001b[${codes}mx`)[0]?.[0]?.[1], look));
}

for (const [text, expected] of [
  ['a\r\nb', 'a\nb'], ['10%\r100%', '100%'], ['abc\r', 'abc'], ['ab\bc', 'ac'], ['\u001b]0;title\u0007a', 'a'], ['\u001b]8;;javascript:alert(1)\u001b\\a\u001b]8;;\u001b\\', 'a'],
  ['\u001b[2K\u001b[1Ga', 'a'], ['\u001b[?25la', 'a'], ['\u001b(Ba', 'a'], ['a\u001b[', 'a'], ['\u001bPq#0\u001b\\a', 'a'], ['\u001b[>4;2ma', 'a'],
]) {
  test(`a terminal shows ${JSON.stringify(text)} as ${JSON.stringify(expected)}`, () => assert.equal(settled(text ?? ''), expected));
}

for (const [name, text, expected] of [
  ['progress in two lines', 'a 10%\nb 10%\n\u001b[2A\u001b[2Ka 100%\n\u001b[2Kb 90%\n', 'a 100%\nb 90%'],
  ['a bar that is drawn over', '#....\u001b[5D##\u001b[1C.', '##...'],
  ['a column', '\u001b[5Gx\u001b[1Gy', 'y   x'],
  ['the screen from its corner', 'old\nolder\u001b[H\u001b[2Jnew\u001b[3;2Hthere', 'new\n\n there'],
  ['what comes after the cursor', 'one\ntwo\nthree\u001b[2;2H\u001b[J', 'one\nt'],
  ['a line before the cursor', 'two\u001b[1D\u001b[1K.', '  .'],
  ['lines down and up', 'a\u001b[2Ec\u001b[1Fb', 'a\nb\nc'],
  ['a row', 'a\nb\u001b[1dx', 'ax\nb'],
]) {
  test(`moves of the cursor are followed: ${name}`, () => assert.equal(settled(text ?? '').trimEnd(), expected));
}

test('no text is lost beside moves, and no cursor goes far', () => {
  const long = Array.from({ length: 3_000 }, (_, number) => `${number} ${'x'.repeat(number % 7 === 0 ? 40 : 3)}`).join('\n');
  const wide = 'y'.repeat(20_000);
  assert.equal(settled(`${long}\n${wide}\n\u001b[1A\u001b[2B`), `${long}\n${wide}`);
  assert.ok(settled('a\u001b[9999999;9999999Hb').length < 1_000);
});

test('colours stay with what was drawn in them', () => {
  assert.deepEqual(words('\u001b[31mred\u001b[0m plain\u001b[1G\u001b[32mg'), [[['g', 'ansi-fg-2'], ['ed', 'ansi-fg-1'], [' plain', '']]]);
});

test('clearing to the end of a line is no move', () => {
  assert.deepEqual(words('a.py:\u001b[01;31m\u001b[Kfound\u001b[m\u001b[K here'), [[['a.py:', ''], ['found', 'ansi-fg-1 ansi-bold'], [' here', '']]]);
});

test('no run has a class from the text itself', () => {
  for (const line of words('\u001b[31;constructor;__proto__mx\u001b[999mx\u001b[38;5;999my')) for (const [, look] of line) assert.match(look ?? '', /^(ansi-[a-z]+(-\d+)? ?)*$/);
});

for (const [name, text] of Object.entries({ escapes: '\u001b'.repeat(65_536), titles: '\u001b]0;a'.repeat(13_000), strings: '\u001bPa'.repeat(20_000), returns: 'abc\r'.repeat(16_000), backs: 'a\b'.repeat(32_000), moves: 'a\u001b[A\u001b[9999B\u001b[J'.repeat(4_000), corners: '\u001b[5000;500Ha\u001b[1K\u001b[J'.repeat(3_000), looks: '\u001b[31m\u001b[1C'.repeat(6_000) })) {
  test(`64 KB of ${name} are quick`, () => {
    const started = performance.now();
    ansiLines(text);
    assert.ok(performance.now() - started < 500);
  });
}
