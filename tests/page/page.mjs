/** A document for modules that make nodes, without a browser. Import this before them. */

import { parseHTML } from 'linkedom';

const { window } = parseHTML('<!doctype html><html><head></head><body></body></html>');

Object.assign(globalThis, {
  document: window.document,
  Node: window.Node,
  Element: window.Element,
  HTMLImageElement: window.HTMLImageElement,
});

// What linkedom leaves out.
const prototype = /** @type {any} */ (window.HTMLElement).prototype;
prototype.scrollIntoView ??= () => {};
globalThis.requestAnimationFrame ??= (action) => (action(0), 0);

/**
 * Everything in a tree that could run or load something.
 *
 * @param {Element} root
 * @returns {string[]}
 */
export function dangers(root) {
  /** @type {string[]} */
  const found = [];
  for (const node of [root, ...root.querySelectorAll('*')]) {
    const tag = node.localName;
    if (['script', 'style', 'iframe', 'object', 'embed', 'link', 'meta', 'base', 'form', 'template'].includes(tag)) found.push(`<${tag}>`);
    if (tag === 'svg' && !node.getAttribute('class')?.startsWith('icon ')) found.push('<svg>');
    for (const { name, value } of node.attributes) {
      if (name.startsWith('on') || name === 'style' || name === 'srcdoc' || name === 'srcset') found.push(`${tag} ${name}=${value}`);
      if (name === 'href' && !/^(https?:\/\/|mailto:)/.test(value)) found.push(`${tag} href=${value}`);
      if (name === 'src' && !/^(data:image\/(png|jpeg|gif|webp|avif);base64,|\/api\/sessions\/)/.test(value)) found.push(`${tag} src=${value}`);
    }
  }
  return found;
}

/** A line break of the page's own text blocks as text. @param {Element} root */
export function linesOf(root) {
  return [...root.querySelectorAll('.line')].map((line) => line.textContent ?? '');
}
