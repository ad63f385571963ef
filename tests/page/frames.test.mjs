import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { inFrame, inLaterFrame } from '../../static/frames.js';

/** @type {((time: number) => void)[]} */ let callbacks;
/** @type {string[]} */ let done;
let time = 0;

beforeEach(() => {
  callbacks = [];
  done = [];
  time += 1_000;
  Object.assign(globalThis, {
    document: { timeline: { get currentTime() { return time; } } },
    requestAnimationFrame: (/** @type {(time: number) => void} */ callback) => callbacks.push(callback),
  });
});

/** The browser draws a frame; `first` is done in it before all that was asked for. */
function frame(first = () => {}) {
  time += 16;
  done.push('|');
  const now = callbacks.splice(0);
  first();
  for (const callback of now) callback(time);
}

const work = (/** @type {string} */ name) => () => void done.push(name);

test('one piece is done a frame, in the order in which it was asked for', () => {
  const [a, b, c] = [work('a'), work('b'), work('c')];
  frame(() => [a, b, c].forEach(inFrame));
  frame();
  frame();
  frame();
  assert.equal(done.join(''), '|a|b|c|');
  assert.equal(callbacks.length, 0, 'no frame is asked for in vain');
});

test('what waits already is done once, and not before what has waited longer', () => {
  const [a, b, c] = [work('a'), work('b'), work('c')];
  frame(() => [a, b, b, c].forEach(inFrame));
  frame(() => [b, c, a].forEach(inFrame));
  for (let count = 0; count < 4; count++) frame();
  assert.equal(done.join(''), '|a|b|c|a||');
});

test('what may wait leaves the frame to others', () => {
  frame(() => {
    inFrame(work('a'));
    inLaterFrame(work('late'));
  });
  frame();
  assert.equal(done.join(''), '|a|late');
});

test('work that asks for itself goes on in the next frame, after what others have asked for', () => {
  let left = 3;
  const long = () => {
    done.push('l');
    if (--left > 0) inLaterFrame(long);
  };
  frame(() => [long, work('x')].forEach(inFrame));
  for (let count = 0; count < 4; count++) frame();
  assert.equal(done.join(''), '|l|l|x|l|');
});

test('work that fails does not keep the rest from being done', () => {
  frame(() => {
    inLaterFrame(() => { throw new Error('no'); });
    inLaterFrame(work('b'));
  });
  assert.throws(() => frame(), /no/);
  frame();
  assert.equal(done.join(''), '||' + '|b');
});
