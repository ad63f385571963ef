/**
 * What both pages have around them: the theme switch, buttons with a picture, toasts, a region that is read aloud.
 *
 * @import { IconName } from '../icons.js'
 * @import { Settings, Theme } from '../settings.js'
 */

import { clear, el, icon, setAttribute, svg } from '../dom.js';

/** Long enough to read one line. */
const TOAST_MS = 3_500;

export const UNREACHABLE = { title: 'The server cannot be reached', text: 'It may be starting, or have been stopped. This page keeps trying.' };

/** @type {Record<Theme, { next: Theme, icon: IconName, words: string }>} */
const THEMES = {
  auto: { next: 'light', icon: 'contrast', words: 'Theme: as the system' },
  light: { next: 'dark', icon: 'sun', words: 'Theme: light' },
  dark: { next: 'auto', icon: 'moon', words: 'Theme: dark' },
};

/** @param {Settings} settings */
export function applyTheme(settings) {
  const { theme } = settings;
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

/** @param {Settings} settings */
export function themeButton(settings) {
  const show = () => {
    const { icon: name, words } = THEMES[settings.theme];
    clear(button);
    button.append(icon(name));
    button.title = words;
    setAttribute(button, 'aria-label', `${words}. Change`);
  };
  const button = el('button', {
    class: 'icon-button theme-button', attrs: { type: 'button' },
    on: {
      click: () => {
        settings.theme = THEMES[settings.theme].next;
        applyTheme(settings);
        show();
      },
    },
  });
  show();
  return button;
}

/**
 * @param {SVGElement} picture
 * @param {string} words
 * @param {string} key  its shortcut, or none
 * @param {() => void} act
 */
export function pictureButton(picture, words, key, act) {
  /** @type {Record<string, string>} */
  const attrs = { type: 'button', 'aria-label': words };
  if (key.length === 1) attrs['aria-keyshortcuts'] = key;
  return el('button', { class: 'icon-button', title: key ? `${words} (${key})` : words, attrs, on: { click: act } }, picture);
}

/** @param {string} path  drawn on a grid of 24 @returns {SVGElement} */
export function picture(path) {
  return svg('svg', {
    class: 'icon', viewBox: '0 0 24 24', width: 16, height: 16, fill: 'none', stroke: 'currentColor', 'stroke-width': 1.8,
    'stroke-linecap': 'round', 'stroke-linejoin': 'round', 'aria-hidden': 'true', focusable: 'false',
  }, svg('path', { d: path }));
}

/** The mark: a page that unrolls, and plays. */
export function brand() {
  return el('span', { class: 'brand' },
    svg('svg', { class: 'brand-mark', viewBox: '0 0 24 24', width: 22, height: 22, 'aria-hidden': 'true', focusable: 'false' },
      svg('rect', { class: 'brand-plate', x: 1, y: 1, width: 22, height: 22, rx: 6 }),
      svg('path', { class: 'brand-lines', d: 'M6 7.5h12M6 12h4M6 16.5h4' }),
      svg('path', { class: 'brand-play', d: 'M12.5 10.6v7.2c0 .5.5.8.9.5l5.4-3.6a.6.6 0 0 0 0-1l-5.4-3.6a.6.6 0 0 0-.9.5z' })),
    'Scrollcast');
}

/** Words that pass: shown for a while, and read aloud. */
export class Toasts {
  node = el('div', { class: 'toasts', attrs: { role: 'status', 'aria-live': 'polite' } });

  /**
   * @param {string} words
   * @param {number} [ms]  how long
   */
  show(words, ms = TOAST_MS) {
    const toast = el('p', { class: 'toast', text: words });
    clear(this.node);
    this.node.append(toast);
    setTimeout(() => toast.remove(), ms);
  }
}

/** For ears only. */
export class Announcer {
  node = el('div', { class: 'visually-hidden', attrs: { role: 'status', 'aria-live': 'polite' } });

  /** @param {string} words */
  say(words) {
    if (this.node.textContent !== words) this.node.textContent = words;
  }
}

/** Says that a session is being written. */
export function liveBadge() {
  return el('span', { class: 'badge live' }, el('span', { class: 'live-dot', attrs: { 'aria-hidden': 'true' } }), 'live');
}

/** What is said of sessions without times of their own, in full. */
export const SYNTHETIC_WORDS = 'This session was recorded without timestamps. Its pace is made up from the length of the text, as fast as one reads.';

/**
 * A picture of nothing much, words and a way on, in the middle of the page.
 *
 * @param {{ icon: IconName, title: string, text?: string | null, kind?: 'error' | 'plain' }} what
 * @param {...(HTMLElement | null)} actions
 */
export function message({ icon: name, title, text = null, kind = 'plain' }, ...actions) {
  return el('div', { class: `message ${kind}`, attrs: kind === 'error' ? { role: 'alert' } : {} },
    el('div', { class: 'message-icon' }, icon(name)),
    el('h2', { class: 'message-title', text: title }),
    text !== null && el('p', { class: 'message-text', text }),
    el('div', { class: 'message-actions' }, ...actions));
}
