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
 * Shows an image as large as the window, until a click, Escape or its button closes it.
 *
 * @param {HTMLImageElement} picture
 */
export function openImage(picture) {
  const copy = /** @type {HTMLImageElement} */ (picture.cloneNode());
  for (const name of ['width', 'height']) copy.removeAttribute(name);
  const close = el('button', { class: 'lightbox-close', attrs: { type: 'button', 'aria-label': 'Close' } }, icon('cross'));
  const dialog = el('dialog', { class: 'lightbox', attrs: { 'aria-label': picture.alt || 'Image' } }, close, copy);
  dialog.addEventListener('click', () => dialog.close());
  // The player's own shortcuts stay out of it.
  dialog.addEventListener('keydown', (event) => event.stopPropagation());
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
