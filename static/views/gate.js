/** What is shown to somebody the server does not know: why, and where to put the token. */

import { signIn } from '../api.js';
import { el, setAttribute } from '../dom.js';
import { brand } from './chrome.js';

/**
 * @param {string} words  why nothing else is shown
 * @param {() => void} enter  what to do once the server knows who this is
 */
export function gate(words, enter) {
  const wrong = el('p', { class: 'field-wrong', attrs: { id: 'gate-wrong', role: 'alert' } });
  const token = el('input', { class: 'title-field', attrs: { id: 'token', type: 'password', autocomplete: 'current-password', required: true, 'aria-describedby': 'gate-wrong', spellcheck: 'false' } });
  const open = async (/** @type {Event} */ event) => {
    event.preventDefault();
    try {
      await signIn(token.value.trim());
      enter();
    } catch (error) {
      wrong.textContent = error instanceof Error ? sentence(error.message) : '';
      setAttribute(token, 'aria-invalid', true);
      token.select();
    }
  };
  return el('main', { class: 'gate' },
    el('form', { class: 'export gate-card', on: { submit: (event) => void open(event) } },
      brand(),
      el('h1', { text: 'This server asks who you are' }),
      el('p', { class: 'field-hint', text: sentence(words) }),
      el('label', { class: 'gate-label', text: 'Token', attrs: { for: 'token' } }), token, wrong,
      el('div', { class: 'export-actions' }, el('button', { class: 'button primary', text: 'Open', attrs: { type: 'submit' } })),
      el('p', { class: 'field-hint', text: 'The owner finds it where the server runs: it says there in which file the token is. A link that shares a session opens without it.' })));
}

/** @param {string} words */
function sentence(words) {
  return `${words.charAt(0).toUpperCase()}${words.slice(1).replace(/\.$/, '')}.`;
}
