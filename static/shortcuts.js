/**
 * The keyboard, as one table: what the help shows is what the keys do.
 *
 * Keys work whatever has focus, but for what types or chooses by itself (fields, menus), a slider's own keys, and Space
 * and Enter on a button that was reached by keyboard.
 */

/**
 * @typedef {'toggle' | 'back' | 'forward' | 'far-back' | 'far-forward' | 'next-turn' | 'previous-turn' | 'slower'
 *   | 'faster' | 'normal-speed' | 'step-back' | 'step-forward' | 'next-tool' | 'previous-tool' | 'next-error'
 *   | 'previous-error' | 'percent' | 'start' | 'end' | 'next-hit' | 'previous-hit' | 'pace' | 'max-speed' | 'live' | 'find' | 'thinking' | 'meta' | 'copy-link' | 'fullscreen' | 'help'} Action
 *
 * @typedef {Object} Shortcut
 * @property {Action} action
 * @property {string[]} keys  as `keyName` writes them
 * @property {string[]} shown  as people write them
 * @property {string} words
 * @property {boolean} [once]  holding the key down does it once
 */

/** @type {readonly { title: string, shortcuts: readonly Shortcut[] }[]} */
export const SHORTCUT_GROUPS = [
  {
    title: 'Play',
    shortcuts: [
      { action: 'toggle', keys: ['Space', 'k'], shown: ['Space', 'k'], words: 'Play or pause', once: true },
      { action: 'slower', keys: ['<'], shown: ['<'], words: 'Slower' },
      { action: 'faster', keys: ['>'], shown: ['>'], words: 'Faster' },
      { action: 'normal-speed', keys: ['='], shown: ['='], words: 'Speed 1×', once: true },
      { action: 'max-speed', keys: ['\\'], shown: ['\\'], words: 'As fast as possible, and back', once: true },
      { action: 'pace', keys: ['i'], shown: ['i'], words: 'Next pace: idle time, reading', once: true },
    ],
  },
  {
    title: 'Move',
    shortcuts: [
      { action: 'back', keys: ['ArrowLeft'], shown: ['←'], words: 'Back 5 s' },
      { action: 'forward', keys: ['ArrowRight'], shown: ['→'], words: 'Forward 5 s' },
      { action: 'far-back', keys: ['j'], shown: ['j'], words: 'Back 10 s' },
      { action: 'far-forward', keys: ['l'], shown: ['l'], words: 'Forward 10 s' },
      { action: 'step-back', keys: [','], shown: [','], words: 'One event back' },
      { action: 'step-forward', keys: ['.'], shown: ['.'], words: 'One event forward' },
      { action: 'percent', keys: [...'0123456789'], shown: ['0', '…', '9'], words: 'To 0 % … 90 %' },
      { action: 'start', keys: ['Home'], shown: ['Home'], words: 'To the start' },
      { action: 'end', keys: ['End'], shown: ['End'], words: 'To the end, or go live' },
      { action: 'live', keys: ['g'], shown: ['g'], words: 'Go to live', once: true },
    ],
  },
  {
    title: 'Jump',
    shortcuts: [
      { action: 'previous-turn', keys: ['[', 'Shift+ArrowLeft'], shown: ['[', 'Shift ←'], words: 'Previous turn' },
      { action: 'next-turn', keys: [']', 'Shift+ArrowRight'], shown: [']', 'Shift →'], words: 'Next turn' },
      { action: 'next-tool', keys: ['t'], shown: ['t'], words: 'Next tool call' },
      { action: 'previous-tool', keys: ['T'], shown: ['Shift t'], words: 'Previous tool call' },
      { action: 'next-error', keys: ['e'], shown: ['e'], words: 'Next error' },
      { action: 'previous-error', keys: ['E'], shown: ['Shift e'], words: 'Previous error' },
      { action: 'find', keys: ['/'], shown: ['/'], words: 'Find in this session', once: true },
      { action: 'next-hit', keys: ['n'], shown: ['n'], words: 'Next place found' },
      { action: 'previous-hit', keys: ['N'], shown: ['Shift n'], words: 'Previous place found' },
    ],
  },
  {
    title: 'Page',
    shortcuts: [
      { action: 'thinking', keys: ['h'], shown: ['h'], words: 'Show or fold all thinking', once: true },
      { action: 'meta', keys: ['m'], shown: ['m'], words: 'Show or leave out system events', once: true },
      { action: 'copy-link', keys: ['y'], shown: ['y'], words: 'Copy a link to this moment', once: true },
      { action: 'fullscreen', keys: ['f'], shown: ['f'], words: 'Full screen', once: true },
      { action: 'help', keys: ['?'], shown: ['?'], words: 'This help', once: true },
    ],
  },
];

/** @type {ReadonlyMap<string, Shortcut>} */
const BY_KEY = new Map(
  SHORTCUT_GROUPS.flatMap((group) => group.shortcuts).flatMap((each) => each.keys.map((key) => [key, each])),
);

/** Keys that a focused slider moves itself with. */
const SLIDER_KEYS = new Set(['ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown', 'Home', 'End', 'PageUp', 'PageDown']);

/**
 * A key as the table names it. Letters are told apart by Shift, not by case, so that Caps Lock changes nothing.
 *
 * @param {Pick<KeyboardEvent, 'key' | 'shiftKey'>} event
 */
export function keyName({ key, shiftKey }) {
  if (key === ' ') return 'Space';
  if (/^[a-z]$/i.test(key)) return shiftKey ? key.toUpperCase() : key.toLowerCase();
  return shiftKey && key.length > 1 ? `Shift+${key}` : key;
}

/**
 * @param {Pick<KeyboardEvent, 'key' | 'shiftKey' | 'ctrlKey' | 'metaKey' | 'altKey' | 'repeat'>} event
 * @param {'page' | 'field' | 'slider' | 'button'} focus  what has focus, as far as keys are concerned
 * @returns {{ action: Action, key: string } | null}
 */
export function shortcutFor(event, focus) {
  if (event.ctrlKey || event.metaKey || event.altKey || focus === 'field') return null;
  const key = keyName(event);
  if (focus === 'slider' && SLIDER_KEYS.has(key)) return null;
  if (focus === 'button' && key === 'Space') return null;
  const shortcut = BY_KEY.get(key);
  if (!shortcut || (shortcut.once && event.repeat)) return null;
  return { action: shortcut.action, key };
}

/**
 * Listens on the document until the answer is called.
 *
 * @param {Document} document
 * @param {(action: Action, key: string) => void} perform
 * @returns {() => void}
 */
export function listen(document, perform) {
  let byKeyboard = false; // how what has focus came to have it
  /** @param {KeyboardEvent} event */
  const onKey = (event) => {
    if (event.key === 'Tab') byKeyboard = true;
    if (event.defaultPrevented || document.querySelector('dialog[open]')) return;
    const found = shortcutFor(event, focusOf(event.target, byKeyboard));
    if (!found) return;
    event.preventDefault();
    perform(found.action, found.key);
  };
  const onPointer = () => {
    byKeyboard = false;
  };
  document.addEventListener('keydown', onKey);
  document.addEventListener('pointerdown', onPointer, true);
  return () => {
    document.removeEventListener('keydown', onKey);
    document.removeEventListener('pointerdown', onPointer, true);
  };
}

/**
 * @param {EventTarget | null} target
 * @param {boolean} byKeyboard
 * @returns {'page' | 'field' | 'slider' | 'button'}
 */
function focusOf(target, byKeyboard) {
  if (!(target instanceof Element)) return 'page';
  if (target.closest('input, textarea, select, [contenteditable="true"]')) return 'field';
  if (target.closest('[role="slider"]')) return 'slider';
  if (byKeyboard && target.closest('button, a[href], summary')) return 'button';
  return 'page';
}
