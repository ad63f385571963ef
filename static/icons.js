/**
 * The page's icons, drawn on a grid of 24, as shapes for `icon()` in dom.js.
 * Strokes take the colour of the text around them; a shape with `solid` is filled with it.
 */

/** @typedef {{d: string, solid: boolean}} Shape  a path (SVG 2, 9.3) */

/** @param {string} d @returns {Shape} */
const line = (d) => ({ d, solid: false });
/** @param {string} d @returns {Shape} */
const solid = (d) => ({ d, solid: true });
/** @param {number} cx @param {number} cy @param {number} r */
const round = (cx, cy, r) => `M${cx - r} ${cy}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`;
/** @param {number} cx @param {number} cy @param {number} r @returns {Shape} */
const circle = (cx, cy, r) => line(round(cx, cy, r));
/** @param {number} cx @param {number} cy @returns {Shape} */
const dot = (cx, cy, r = 1.6) => solid(round(cx, cy, r));
/** @param {number} x @param {number} y @param {number} width @param {number} height @param {number} r */
const oblong = (x, y, width, height, r) =>
  `M${x + r} ${y}h${width - 2 * r}a${r} ${r} 0 0 1 ${r} ${r}v${height - 2 * r}a${r} ${r} 0 0 1 ${-r} ${r}` +
  `h${2 * r - width}a${r} ${r} 0 0 1 ${-r} ${-r}v${2 * r - height}a${r} ${r} 0 0 1 ${r} ${-r}z`;
/** @param {number} x @param {number} y @param {number} width @param {number} height @returns {Shape} */
const box = (x, y, width, height) => line(oblong(x, y, width, height, 2));

export const ICONS = {
  play: [solid('M7.5 4.6v14.8a.8.8 0 0 0 1.2.7l11.6-7.4a.8.8 0 0 0 0-1.4L8.7 3.9a.8.8 0 0 0-1.2.7z')],
  pause: [solid(oblong(6, 4, 4.2, 16, 1.2)), solid(oblong(13.8, 4, 4.2, 16, 1.2))],
  'step-forward': [solid('M5 5.4v13.2a.8.8 0 0 0 1.2.7l9.6-6.6a.8.8 0 0 0 0-1.4L6.2 4.7a.8.8 0 0 0-1.2.7z'), line('M19 5v14')],
  'step-back': [solid('M19 5.4v13.2a.8.8 0 0 1-1.2.7l-9.6-6.6a.8.8 0 0 1 0-1.4l9.6-6.6a.8.8 0 0 1 1.2.7z'), line('M5 5v14')],
  'turn-forward': [line('M4 6l6 6-6 6'), line('M12 6l6 6-6 6'), line('M21 6v12')],
  'turn-back': [line('M20 6l-6 6 6 6'), line('M12 6l-6 6 6 6'), line('M3 6v12')],
  back: [line('M15 5.5L8.5 12l6.5 6.5')],
  replay: [line('M4.2 12a7.8 7.8 0 1 0 2.6-5.8L4 8.8'), line('M4 4v4.8h4.8')],
  speed: [line('M4.4 18a9 9 0 1 1 15.2 0'), line('M12 14l4-5'), dot(12, 14.4)],
  link: [
    line('M10.2 13.8a4 4 0 0 0 5.9.3l3-3a4 4 0 0 0-5.7-5.7l-1.6 1.6'),
    line('M13.8 10.2a4 4 0 0 0-5.9-.3l-3 3a4 4 0 0 0 5.7 5.7l1.6-1.6'),
  ],
  moon: [line('M20 14.2A8.2 8.2 0 0 1 9.8 4a8.2 8.2 0 1 0 10.2 10.2z')],
  sun: [
    circle(12, 12, 4),
    line('M12 2.5v2.2M12 19.3v2.2M2.5 12h2.2M19.3 12h2.2M5.3 5.3l1.5 1.5M17.2 17.2l1.5 1.5M18.7 5.3l-1.5 1.5M6.8 17.2l-1.5 1.5'),
  ],
  contrast: [circle(12, 12, 8.5), solid('M12 3.5a8.5 8.5 0 0 1 0 17z')],
  chevron: [line('M9 5.5l6.5 6.5L9 18.5')],
  'chevron-up': [line('M5.5 15L12 8.5l6.5 6.5')],
  'chevron-down': [line('M5.5 9l6.5 6.5L18.5 9')],
  'arrow-down': [line('M12 4.5v15'), line('M5.5 13l6.5 6.5 6.5-6.5')],
  'arrow-left': [line('M19.5 12h-15'), line('M11 5.5L4.5 12l6.5 6.5')],
  warning: [line('M10.6 4.3L2.9 17.6A1.6 1.6 0 0 0 4.3 20h15.4a1.6 1.6 0 0 0 1.4-2.4L13.4 4.3a1.6 1.6 0 0 0-2.8 0z'), line('M12 9.5v4'), dot(12, 16.7)],
  info: [circle(12, 12, 8.7), line('M12 11.2v5'), dot(12, 7.9)],
  check: [line('M4.5 12.8l5 5L19.5 6.5')],
  cross: [line('M6 6l12 12M18 6L6 18')],
  user: [circle(12, 8, 3.9), line('M4.8 20a7.2 7.2 0 0 1 14.4 0')],
  speech: [line('M20.5 12.2c0 3.9-3.8 7-8.5 7-1.2 0-2.4-.2-3.4-.6L4 20l1.2-3.6a6.4 6.4 0 0 1-1.7-4.2c0-3.9 3.8-7 8.5-7s8.5 3.1 8.5 7z')],
  agent: [solid('M12 2.6c.7 5.4 3.3 8 8.9 9.4-5.6 1.4-8.2 4-8.9 9.4-.7-5.4-3.3-8-8.9-9.4 5.6-1.4 8.2-4 8.9-9.4z')],
  system: [
    circle(12, 12, 3.2),
    line('M12 3.5v3M12 17.5v3M3.5 12h3M17.5 12h3M6 6l2.1 2.1M15.9 15.9L18 18M18 6l-2.1 2.1M8.1 15.9L6 18'),
  ],
  tool: [line('M14.6 6.4a4.6 4.6 0 0 1 5-1.9l-2.9 2.9.5 2.4 2.4.5 2.4-2.9a4.6 4.6 0 0 1-6.2 5.5L9 19.7a2.2 2.2 0 0 1-3.1 0l-.6-.6a2.2 2.2 0 0 1 0-3.1l6.8-6.8a4.6 4.6 0 0 1 2.5-2.8z')],
  terminal: [box(3, 4.5, 18, 15), line('M7 9.2l3 2.8-3 2.8M12.5 15h4.5')],
  file: [line('M13.5 3H7a1.8 1.8 0 0 0-1.8 1.8v14.4A1.8 1.8 0 0 0 7 21h10a1.8 1.8 0 0 0 1.8-1.8V8.3z'), line('M13.5 3v5.3h5.3')],
  folder: [line('M3.5 6.8A1.8 1.8 0 0 1 5.3 5h4l2.2 2.6h7.2a1.8 1.8 0 0 1 1.8 1.8v7.8a1.8 1.8 0 0 1-1.8 1.8H5.3a1.8 1.8 0 0 1-1.8-1.8z')],
  edit: [line('M14.8 5.2l4 4L8.4 19.6l-4.9.9.9-4.9z'), line('M12.6 7.4l4 4')],
  search: [circle(10.8, 10.8, 6.3), line('M15.5 15.5l5 5')],
  globe: [circle(12, 12, 8.7), line('M3.3 12h17.4'), line('M12 3.3c5.2 5 5.2 12.4 0 17.4-5.2-5-5.2-12.4 0-17.4z')],
  'list-check': [line('M3.5 6.2l1.7 1.7 3-3.4M3.5 13.2l1.7 1.7 3-3.4'), line('M12 6.5h8.5M12 13.5h8.5M12 19.5h8.5'), dot(5.6, 19.5)],
  image: [box(3.5, 4.5, 17, 15), circle(8.8, 9.5, 1.6), line('M4 17l4.8-4.4 3.2 2.8 3.6-3.6 4.6 4.4')],
  brain: [line('M7.4 15.6a4.1 4.1 0 0 1-.7-8.1A5.3 5.3 0 0 1 17 6.4a4.6 4.6 0 0 1-.4 9.2z'), circle(7.2, 18.7, 1.2), dot(4.6, 21.2, 0.8)],
  plan: [box(5, 4, 14, 17), line('M9 4V2.8h6V4M8.5 10h7M8.5 14h7M8.5 17.5h4')],
  copy: [box(8.5, 8.5, 12, 12), line('M15.5 8.5v-3a2 2 0 0 0-2-2h-8a2 2 0 0 0-2 2v8a2 2 0 0 0 2 2h3')],
  dots: [dot(5.5, 12), dot(12, 12), dot(18.5, 12)],
  braces: [line('M9 4H7.8A1.8 1.8 0 0 0 6 5.8v3.6A2.6 2.6 0 0 1 3.8 12 2.6 2.6 0 0 1 6 14.6v3.6A1.8 1.8 0 0 0 7.8 20H9'), line('M15 4h1.2A1.8 1.8 0 0 1 18 5.8v3.6a2.6 2.6 0 0 0 2.2 2.6 2.6 2.6 0 0 0-2.2 2.6v3.6a1.8 1.8 0 0 1-1.8 1.8H15')],
  branch: [circle(6.5, 5.5, 2.2), circle(6.5, 18.5, 2.2), circle(17.5, 8.5, 2.2), line('M6.5 7.7v8.6M17.5 10.7c0 4-11 2.2-11 5.6')],
  clock: [circle(12, 12, 8.7), line('M12 7v5.2l3.4 2')],
  gone: [line('M13.5 3H7a1.8 1.8 0 0 0-1.8 1.8v14.4A1.8 1.8 0 0 0 7 21h10a1.8 1.8 0 0 0 1.8-1.8V8.3z'), line('M9.3 11l5.4 5.4M14.7 11l-5.4 5.4')],
  fold: [line('M4 12h16'), line('M8.5 3.5L12 7l3.5-3.5M8.5 20.5L12 17l3.5 3.5')],
};

/** @typedef {keyof typeof ICONS} IconName */
