import assert from 'node:assert/strict';
import { test } from 'node:test';

import { dangers } from './page.mjs';
import { el, externalUrl, find, icon, image, isPartHref, link, localLink, replaceChildren } from '../../static/dom.js';
import { ICONS } from '../../static/icons.js';

const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==';

test('children that are strings become text, never markup', () => {
  const node = el('p', {}, '<b>x</b>', null, false, undefined, el('i', { text: '<i>' }));
  assert.equal(node.childNodes.length, 2);
  assert.equal(node.textContent, '<b>x</b><i>');
});

for (const name of ['onclick', 'ONLOAD', 'href', 'src', 'srcdoc', 'style', 'xlink:href', 'formaction', 'srcset']) {
  test(`el refuses the attribute ${name}`, () => assert.throws(() => el('a', { attrs: { [name]: 'x' } }), /is not set this way/));
}

for (const tag of ['script', 'style', 'iframe', 'object', 'link', 'base', 'meta']) {
  test(`el makes no <${tag}>`, () => assert.throws(() => el(/** @type {any} */ (tag)), /makes no/));
}

test('attributes that are true are empty, those that are false are left out, aria says which', () => {
  const node = el('button', { attrs: { disabled: true, hidden: false, 'aria-pressed': false } });
  assert.equal(node.getAttribute('disabled'), '');
  assert.equal(node.hasAttribute('hidden'), false);
  assert.equal(node.getAttribute('aria-pressed'), 'false');
});

for (const href of [
  'javascript:alert(1)', 'JaVaScRiPt:alert(1)', ' javascript:alert(1)', 'java\nscript:alert(1)', 'java\tscript:alert(1)', '\u0001javascript:alert(1)',
  'data:text/html,<script>', 'vbscript:x', 'file:///etc/passwd', 'blob:https://a/b', 'javascript&#58;alert(1)', '//evil.example', '/sessions/x', '#t=1', 'ftp://x', '',
]) {
  test(`a link to ${JSON.stringify(href)} is text`, () => {
    const node = link(href, 'words');
    assert.equal(node.localName, 'span');
    assert.equal(node.textContent, 'words');
    assert.deepEqual(dangers(node), []);
  });
}

test('a link elsewhere tells where, and tells nobody where it was found', () => {
  const node = link('https://example.org/a?b=1', 'words');
  assert.equal(node.getAttribute('href'), 'https://example.org/a?b=1');
  assert.equal(node.title, 'https://example.org/a?b=1');
  assert.equal(node.getAttribute('rel'), 'noreferrer noopener');
  assert.equal(node.getAttribute('target'), '_blank');
  assert.equal(externalUrl('mailto:me@example.org'), 'mailto:me@example.org');
});

test('a link inside leads nowhere else', () => {
  assert.equal(localLink('/sessions/1', { text: 'x' }).getAttribute('href'), '/sessions/1');
  for (const path of ['//evil', '/\\evil', 'https://evil', 'javascript:1', 'x']) assert.throws(() => localLink(path));
});

test('an image of a passive type is shown from its own bytes', () => {
  const node = image({ mime_type: 'image/PNG', data: PIXEL, alt: 'a' });
  assert.equal(node.localName, 'img');
  assert.equal(node.getAttribute('src'), `data:image/png;base64,${PIXEL}`);
});

for (const source of [
  { mime_type: 'image/svg+xml', data: PIXEL }, { mime_type: 'text/html', data: PIXEL }, { mime_type: 'image/png', data: 'not base64"<' },
  { mime_type: 'image/png', uri: 'https://evil.example/t.png' }, { mime_type: 'image/png', uri: 'data:image/png;base64,AAAA' },
  { mime_type: 'image/png', href: 'https://evil.example/' }, { mime_type: 'image/png', href: '/api/sessions/../../evil' },
  { mime_type: 'image/svg+xml', href: '/api/sessions/a/events/1/parts/0' }, { mime_type: 'image/png', uri: 'javascript:alert(1)' },
]) {
  test(`an image like ${JSON.stringify(source).slice(0, 80)} is a line of text`, () => {
    const node = image(source);
    assert.match(node.className, /placeholder/);
    assert.equal(node.querySelector('img'), null);
    assert.deepEqual(dangers(node), []);
  });
}

test('a cut image loads from our own server', () => {
  assert.equal(image({ mime_type: 'image/png', href: '/api/sessions/a/events/1/parts/0/output/2' }).getAttribute('src'), '/api/sessions/a/events/1/parts/0/output/2');
  for (const href of ['/api/sessions/a/../b', '/api/sessions/a/%2e%2e/b', '/api/sessions/a\\b', '/api/other', '//api/sessions/a']) assert.equal(isPartHref(href), false);
});

test('every icon can be drawn, hidden from screen readers', () => {
  for (const name of /** @type {(keyof typeof ICONS)[]} */ (Object.keys(ICONS))) {
    const node = icon(name);
    assert.equal(node.getAttribute('aria-hidden'), 'true');
    assert.ok(node.childNodes.length > 0);
  }
});

test('find throws where there is nothing', () => {
  assert.throws(() => find(el('div'), '.x'), /nothing matches/);
});

test('replaceChildren leaves only what it is given', () => {
  const node = el('div', {}, 'a', el('b'));
  replaceChildren(node, 'c', null);
  assert.equal(node.childNodes.length, 1);
});
