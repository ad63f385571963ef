/** Images of a session, and the dialog that shows one large. */

import { el, icon, image, replaceChildren } from '../dom.js';
import { bytes, safeText } from '../format.js';

/**
 * @param {import('../protocol.js').ImagePart} part
 * @param {import('./index.js').Context} context
 */
export function renderImage(part, context) {
  const href = part.truncated?.href ?? null;
  const size = part.truncated ? part.truncated.bytes : typeof part.data === 'string' ? Math.floor(part.data.length * 0.75) : null;
  const what = [safeText(part.mime_type.replace(/^image\//, '').toUpperCase()), size !== null && bytes(size)].filter(Boolean).join(', ');
  const picture = image({ mime_type: part.mime_type, data: part.data ?? null, uri: part.uri ?? null, href, alt: `Image in the conversation (${what})` });
  if (!(picture instanceof HTMLImageElement)) return el('div', { class: 'part part-image is-placeholder' }, picture);

  const button = el('button', { class: 'image-button', title: 'Show large', attrs: { type: 'button' } }, picture);
  button.addEventListener('click', () => (context.onOpenImage ?? openImage)(picture));
  const figure = el('figure', { class: 'part part-image' }, button, el('figcaption', { text: what }));
  picture.addEventListener('error', () => {
    replaceChildren(figure, el('span', { class: 'image-placeholder' }, icon('image'), el('span', { text: `Image that cannot be shown (${what})` })));
  });
  return figure;
}

/**
 * Shows an image as large as the window, until a click, Escape or its button closes it. Arrows lead to the other images
 * that are in the document; the focus goes back to where it was.
 *
 * @param {HTMLImageElement} picture
 */
export function openImage(picture) {
  const pictures = /** @type {HTMLImageElement[]} */ ([...document.querySelectorAll('.image-button img')]);
  let at = pictures.indexOf(picture);
  const frame = el('div', { class: 'lightbox-frame' });
  const place = el('p', { class: 'lightbox-place', attrs: { 'aria-live': 'polite' } });
  const dialog = el('dialog', { class: 'lightbox' });
  const show = (/** @type {HTMLImageElement} */ shown) => {
    const copy = /** @type {HTMLImageElement} */ (shown.cloneNode());
    for (const name of ['width', 'height']) copy.removeAttribute(name);
    replaceChildren(frame, copy);
    dialog.setAttribute('aria-label', shown.alt || 'Image');
    place.textContent = pictures.length > 1 ? `${at + 1} of ${pictures.length}` : '';
  };
  const go = (/** @type {number} */ by) => {
    const next = pictures[at + by];
    if (!next) return;
    at += by;
    show(next);
  };
  const button = (/** @type {string} */ name, /** @type {import('../dom.js').IconName} */ sign, /** @type {string} */ words, /** @type {() => void} */ act) =>
    el('button', { class: `lightbox-button ${name}`, attrs: { type: 'button', 'aria-label': words }, on: { click: (event) => {
      event.stopPropagation();
      act();
    } } }, icon(sign));
  const ways = pictures.length > 1 && [button('is-previous', 'arrow-left', 'Image before', () => go(-1)), button('is-next', 'arrow-left', 'Image after', () => go(1))];
  dialog.append(frame, place, button('is-close', 'cross', 'Close', () => dialog.close()), ...(ways || []));
  dialog.addEventListener('click', () => dialog.close());
  dialog.addEventListener('keydown', (event) => {
    event.stopPropagation(); // the player's own shortcuts stay out of it
    if (event.key === 'ArrowLeft') go(-1);
    if (event.key === 'ArrowRight') go(1);
  });
  dialog.addEventListener('close', () => dialog.remove());
  show(picture);
  document.body.append(dialog);
  dialog.showModal();
}
