/**
 * Work that fills a frame: one piece a frame, in the order in which it was asked for. Two in one would be laid out and
 * painted together, and the frame would be late.
 */

/** @type {(() => void)[]} */
const waiting = [];

/** The frame in which there was such work. @type {CSSNumberish | null} */
let taken = null;

/** To be called in a frame: in this one where it is free, or else in one of the next. @param {() => void} work  done once, however often it is asked for before */
export function inFrame(work) {
  if (waiting.length > 0 || taken === document.timeline.currentTime) return inLaterFrame(work);
  taken = document.timeline.currentTime;
  work();
}

/** In one of the next frames. @param {() => void} work  as for `inFrame` */
export function inLaterFrame(work) {
  if (waiting.includes(work)) return;
  waiting.push(work);
  if (waiting.length === 1) requestAnimationFrame(next);
}

function next() {
  if (taken === document.timeline.currentTime) return void requestAnimationFrame(next);
  taken = document.timeline.currentTime;
  const work = waiting.shift();
  if (waiting.length > 0) requestAnimationFrame(next);
  work?.();
}
