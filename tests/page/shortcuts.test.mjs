import assert from 'node:assert/strict';
import { test } from 'node:test';

import { SHORTCUT_GROUPS, shortcutFor } from '../../static/shortcuts.js';

/** @param {string} key @param {object} [more] */
const press = (key, more = {}) => ({ key, shiftKey: false, ctrlKey: false, metaKey: false, altKey: false, repeat: false, ...more });

for (const [key, action] of [[' ', 'toggle'], ['k', 'toggle'], ['ArrowLeft', 'back'], ['j', 'far-back'], ['<', 'slower'], ['.', 'step-forward'], [']', 'next-turn'], ['7', 'percent'], ['Home', 'start'], ['?', 'help']]) {
  test(`${key} means ${action}`, () => assert.equal(shortcutFor(press(/** @type {string} */ (key)), 'page')?.action, action));
}

test('Shift makes another key of an arrow and of a letter; Caps Lock does not', () => {
  assert.equal(shortcutFor(press('ArrowLeft', { shiftKey: true }), 'page')?.action, 'previous-turn');
  assert.equal(shortcutFor(press('T', { shiftKey: true }), 'page')?.action, 'previous-tool');
  assert.equal(shortcutFor(press('T'), 'page')?.action, 'next-tool');
});

test('keys with Ctrl, Alt or Meta are the browser\'s', () => {
  for (const held of ['ctrlKey', 'altKey', 'metaKey']) assert.equal(shortcutFor(press('f', { [held]: true }), 'page'), null);
});

test('fields keep every key, a slider its own, a button Space', () => {
  assert.equal(shortcutFor(press('k'), 'field'), null);
  assert.equal(shortcutFor(press('ArrowLeft'), 'slider'), null);
  assert.equal(shortcutFor(press('k'), 'slider')?.action, 'toggle');
  assert.equal(shortcutFor(press(' '), 'button'), null);
  assert.equal(shortcutFor(press('ArrowRight'), 'button')?.action, 'forward');
});

test('holding a key down seeks on, but toggles once', () => {
  assert.equal(shortcutFor(press('ArrowRight', { repeat: true }), 'page')?.action, 'forward');
  assert.equal(shortcutFor(press(' ', { repeat: true }), 'page'), null);
});

test('no key means two things', () => {
  const keys = SHORTCUT_GROUPS.flatMap((group) => group.shortcuts).flatMap((each) => each.keys);
  assert.equal(new Set(keys).size, keys.length);
});
