import assert from 'node:assert/strict';
import { test } from 'node:test';

import { dangers, linesOf } from './page.mjs';
import { cutAt, decoded, markdown } from '../../static/renderers/markdown.js';

/** @param {string} text */
const tags = (text) => [...markdown(text).querySelectorAll('*')].map((node) => node.localName).join(' ');

test('blocks become their elements', () => {
  assert.equal(tags('# a\n\nb *c* **d** ~~e~~ `f`'), 'h3 p em strong del code');
  assert.equal(tags('- a\n- b'), 'ul li li');
  assert.equal(tags('3. a'), 'ol li');
  assert.equal(markdown('3. a').querySelector('ol')?.getAttribute('start'), '3');
  assert.equal(tags('> a\n\n---'), 'blockquote p hr');
  assert.equal(tags('| a |\n|--:|\n| b |'), 'div table thead tr th tbody tr td');
});

test('line ends within a paragraph are kept', () => {
  assert.equal(tags('a\nb'), 'p br');
});

test('task lists show what is done', () => {
  const boxes = [...markdown('- [x] a\n- [ ] b').querySelectorAll('.md-box')].map((box) => box.getAttribute('aria-label'));
  assert.deepEqual(boxes, ['done', 'to do']);
});

test('a fence is highlighted in its language: in place, when the highlighter has come, and from then on at once', async () => {
  const fence = '```python\ndef f(): pass\n```';
  const node = markdown(fence);
  const line = node.querySelector('.line');
  assert.equal(line?.childElementCount, 0);
  while (!node.querySelector('.hl-keyword')) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(node.querySelector('.line'), line);
  assert.deepEqual([line?.textContent, line?.querySelector('.hl-keyword')?.textContent], ['def f(): pass', 'def']);
  assert.equal(node.querySelector('.code-language')?.textContent, 'python');
  assert.equal(markdown(fence).querySelector('.hl-keyword')?.textContent, 'def');
});

for (const language of ['__proto__', 'constructor', 'toString', 'hasOwnProperty', '<img src=x>', 'x'.repeat(5000)]) {
  test(`a fence in the language ${language.slice(0, 20)} is plain text`, () => {
    const node = markdown('```' + language + '\ncode\n```');
    assert.deepEqual(linesOf(node), ['code']);
    assert.deepEqual(dangers(node), []);
  });
}

for (const hostile of [
  '<script>alert(1)</script>', '<img src=x onerror=alert(1)>', 'a <b onclick="x">b</b>', '<svg onload=alert(1)>', '<a href="javascript:alert(1)">x</a>', '<!-- x --><style>*{}</style>',
  '[x](javascript:alert(1))', '[x](JAVASCRIPT:alert(1))', '[x](<java\tscript:alert(1)>)', '[x](javascript&colon;alert(1))', '[x](javascript&#58;alert(1))', '[x](&#106;avascript:alert(1))',
  '[x](\u0001javascript:alert(1))', '[x](data:text/html;base64,PHNjcmlwdD4=)', '[x](vbscript:msgbox)', '<javascript:alert(1)>', '[x]: javascript:alert(1)\n\n[x]', '[x](/sessions/1)', '[x](#t=3)',
  '![x](https://evil.example/a.png)', '![x](javascript:alert(1))', '![x](data:image/svg+xml,<svg/onload=alert(1)>)', '[![x](https://evil.example/a.png)](javascript:alert(1))',
  '| <script> |\n|---|\n| [x](javascript:1) |', '- <iframe src=//evil></iframe>', '&lt;script&gt;alert(1)&lt;/script&gt;',
]) {
  test(`${JSON.stringify(hostile)} neither runs nor loads anything`, () => {
    const node = markdown(hostile);
    assert.deepEqual(dangers(node), []);
    assert.equal(node.querySelector('img'), null);
    assert.equal([...node.querySelectorAll('a')].some((each) => !/^https:\/\/evil\.example/.test(each.getAttribute('href') ?? '')), false);
  });
}

test('raw HTML is shown as it was written', () => {
  assert.equal(markdown('<script>alert(1)</script>').textContent, '<script>alert(1)</script>');
  assert.equal(markdown('a <b>b</b>').textContent, 'a <b>b</b>');
});

test('character references are the characters, in links too', () => {
  assert.equal(markdown('a &amp; b &lt;i&gt; &unknown; &#x41;').textContent, 'a & b <i> &unknown; A');
  assert.equal(markdown('[a](https://x.example/?a=1&amp;b=2)').querySelector('a')?.getAttribute('href'), 'https://x.example/?a=1&b=2');
  assert.equal(decoded('&#0;&#xD800;&#x110000;'), '\ufffd\ufffd\ufffd');
  assert.equal(decoded('&constructor; &__proto__;'), '&constructor; &__proto__;');
});

test('bidirectional controls are made visible, in text, code and links', () => {
  const text = markdown('a\u202Eb `c\u2066d` [e\u202Ef](https://x.example)').textContent ?? '';
  assert.doesNotMatch(text, /[\u202a-\u202e\u2066-\u2069]/);
  assert.match(text, /⟦RLO⟧/);
});

/** @param {Element} node */
const depth = (node) => {
  let most = 0;
  /** @type {[Element, number][]} */
  const left = [[node, 1]];
  for (let next = left.pop(); next; next = left.pop()) {
    most = Math.max(most, next[1]);
    for (const child of next[0].children) left.push([child, /** @type {number} */ (next[1]) + 1]);
  }
  return most;
};

const K = 65_536;
for (const [name, text] of /** @type {[string, string][]} */ ([
  ['quotes', '>'.repeat(K)], ['spaced quotes', '> '.repeat(K / 2)], ['list marks', '- '.repeat(K / 2)], ['numbers', '1. '.repeat(K / 3)],
  ['indented lists', Array.from({ length: 300 }, (_, level) => `${' '.repeat(2 * level)}- a`).join('\n')],
  ['quotes of growing depth', Array.from({ length: 40 }, (_, level) => `${'>'.repeat(level)} a`).join('\n')],
  ['brackets', '['.repeat(K)], ['images', '!['.repeat(K / 2)], ['stars', '*a '.repeat(K / 3)], ['open emphasis', '**a_'.repeat(K / 4)], ['backticks', '`a ``'.repeat(K / 5)],
  ['pipes', '|'.repeat(K)], ['tags', '<a b="'.repeat(K / 6)], ['nested emphasis', '*'.repeat(1000) + 'a' + '*'.repeat(1000)], ['nested brackets', '['.repeat(2000) + 'a' + '](b)'.repeat(2000)],
])) {
  test(`64 KB of ${name} stay shallow and quick`, () => {
    const started = performance.now();
    const node = markdown(text);
    assert.ok(performance.now() - started < 1000, 'took too long');
    assert.ok(depth(node) < 60, `depth ${depth(node)}`);
  });
}

test('a megabyte in one line puts little into the page', () => {
  const node = markdown('x'.repeat(1_000_000));
  assert.ok((node.textContent ?? '').length < 25_000);
  assert.match(node.querySelector('.rest-button, .md-more')?.textContent ?? '', /KB/);
});

test('a long text comes in steps, and all of it comes', () => {
  const text = Array.from({ length: 3000 }, (_, index) => `paragraph ${index}`).join('\n\n');
  const node = markdown(text);
  assert.ok(node.querySelectorAll('p').length <= 200);
  for (let clicks = 0; node.querySelector('.md-more'); clicks += 1) {
    assert.ok(clicks < 30);
    /** @type {HTMLElement} */ (node.querySelector('.md-more')).click();
  }
  assert.equal(node.querySelectorAll('p').length, 3000);
  assert.equal(node.lastElementChild?.textContent, 'paragraph 2999');
});

test('a long text is not cut inside a fence', () => {
  const text = `a\n\n${'b '.repeat(40)}\n\n\`\`\`\n${'code\n\n'.repeat(20)}\`\`\`\n`;
  assert.equal(text.slice(cutAt(text, 150)).startsWith('```'), true);
});
