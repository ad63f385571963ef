/**
 * The only module that makes elements, or sets where one leads or loads from.
 *
 * Everything that a session holds is hostile until shown: its text becomes text nodes, its addresses become links
 * only when they are http, https or mailto, its images are shown only from their own bytes or from our own server.
 * Nothing here or elsewhere turns text into markup.
 */

import { rooted, unrooted } from './base.js';
import { ICONS } from './icons.js';

/** @typedef {import('./icons.js').IconName} IconName */
/** @typedef {Node | string | null | undefined | false} Child */
/**
 * @typedef {Object} Props
 * @property {string} [class]
 * @property {string} [text]  becomes the only text, before any children
 * @property {string} [title]
 * @property {boolean} [hidden]
 * @property {Record<string, string | number | boolean>} [attrs]
 *   `true` is an empty attribute (or "true", for aria-*), `false` none (or "false", for aria-*)
 * @property {Record<string, string>} [data]
 * @property {Record<string, (event: any) => void>} [on]
 */

const SVG = 'http://www.w3.org/2000/svg';

/** Elements that load, run or restyle something: no part of this page is made of them. */
const REFUSED_TAGS = new Set([
  'script', 'style', 'link', 'meta', 'base', 'iframe', 'frame', 'object', 'embed', 'applet', 'portal', 'template',
]);

/** Attributes that load, lead or run something: only the functions below set those that the page needs. */
const REFUSED_ATTRS = new Set([
  'href', 'src', 'srcdoc', 'srcset', 'style', 'xlink:href', 'action', 'formaction', 'ping', 'poster', 'background',
  'data', 'codebase', 'manifest',
]);

/** What a link may lead to, when a session wrote it. */
const LINK_SCHEMES = new Set(['http:', 'https:', 'mailto:']);

/** Images that cannot hold script. SVG can, so it is not one of them. */
const IMAGE_TYPES = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/avif']);

/**
 * Makes an element.
 *
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Props} [props]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[K]}
 * @throws {Error} for an element or attribute that loads, leads or runs something
 */
export function el(tag, props = {}, ...children) {
  if (REFUSED_TAGS.has(tag.toLowerCase())) throw new Error(`el() makes no <${tag}>`);
  const node = document.createElement(tag);
  if (props.class !== undefined) node.className = props.class;
  if (props.text !== undefined) node.textContent = props.text;
  if (props.title !== undefined) node.title = props.title;
  if (props.hidden !== undefined) node.hidden = props.hidden;
  for (const [name, value] of Object.entries(props.attrs ?? {})) setAttribute(node, name, value);
  for (const [name, value] of Object.entries(props.data ?? {})) node.dataset[name] = value;
  for (const [type, listener] of Object.entries(props.on ?? {})) node.addEventListener(type, listener);
  append(node, children);
  return node;
}

/**
 * Sets an attribute that is none of those that load, lead or run something.
 *
 * @param {Element} node
 * @param {string} name
 * @param {string | number | boolean} value
 * @throws {Error}
 */
export function setAttribute(node, name, value) {
  const lower = name.toLowerCase();
  if (lower.startsWith('on') || REFUSED_ATTRS.has(lower)) throw new Error(`attribute ${name} is not set this way`);
  if (typeof value === 'boolean' && !lower.startsWith('aria-')) {
    node.toggleAttribute(name, value);
  } else {
    node.setAttribute(name, String(value));
  }
}

/**
 * Makes an SVG element. For our own drawings only: nothing from a session comes here.
 *
 * @param {string} tag
 * @param {Record<string, string | number>} [attrs]
 * @param {...Child} children
 * @returns {SVGElement}
 */
export function svg(tag, attrs = {}, ...children) {
  const node = /** @type {SVGElement} */ (document.createElementNS(SVG, tag));
  for (const [name, value] of Object.entries(attrs)) setAttribute(node, name, value);
  append(node, children);
  return node;
}

/**
 * One of our icons, hidden from screen readers: whoever shows it alone labels the button around it.
 *
 * @param {IconName} name
 * @returns {SVGElement}
 */
export function icon(name) {
  let drawn = DRAWN.get(name);
  if (!drawn) DRAWN.set(name, (drawn = draw(name)));
  return /** @type {SVGElement} */ (drawn.cloneNode(true));
}

/** Each icon that was asked for, to be copied: a message has half a dozen. @type {Map<IconName, SVGElement>} */
const DRAWN = new Map();

/** In as few elements as there can be: one for all strokes, and one for all that is filled. @param {IconName} name */
function draw(name) {
  const node = svg('svg', {
    class: `icon icon-${name}`, viewBox: '0 0 24 24', width: 16, height: 16, fill: 'none', stroke: 'currentColor',
    'stroke-width': 1.8, 'stroke-linecap': 'round', 'stroke-linejoin': 'round', 'aria-hidden': 'true', focusable: 'false',
  });
  const pathOf = (/** @type {boolean} */ solid) => ICONS[name].filter((shape) => shape.solid === solid).map(({ d }) => d).join('');
  const [strokes, filled] = [pathOf(false), pathOf(true)];
  if (strokes) node.append(svg('path', { d: strokes }));
  if (filled) node.append(svg('path', { d: filled, fill: 'currentColor', stroke: 'none' }));
  return node;
}

/**
 * A link to another site, with its destination in the tooltip; a plain span where the address is not one that a
 * session may lead to.
 *
 * @param {string} href
 * @param {Child | Child[]} [text]  what to show; the address itself when left out
 * @returns {HTMLElement}
 */
export function link(href, text = href) {
  const children = Array.isArray(text) ? text : [text];
  const url = externalUrl(href);
  if (url === null) return el('span', { class: 'link-refused', title: `Not a link that can be opened: ${shown(href)}` }, ...children);
  const node = el('a', { title: shown(url), attrs: { rel: 'noreferrer noopener', target: '_blank' } }, ...children);
  node.href = url;
  return node;
}

/**
 * The address, made absolute, when it is one that a session's text may lead to; else `null`.
 *
 * @param {string} href
 * @returns {string | null}
 */
export function externalUrl(href) {
  // Relative addresses have no scheme of their own and do not parse: a session's text never leads into our server.
  if (!/^\s*[a-z][a-z0-9+.-]*:/i.test(href)) return null;
  try {
    const url = new URL(href);
    return LINK_SCHEMES.has(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/**
 * A link inside this page or server: `/`, `/sessions/…`, `#t=…`. Our own addresses only.
 *
 * @param {string} path
 * @param {Props} [props]
 * @param {...Child} children
 * @returns {HTMLAnchorElement}
 * @throws {Error} where it would lead elsewhere
 */
export function localLink(path, props = {}, ...children) {
  const node = el('a', props, ...children);
  setLocalHref(node, path);
  return node;
}

/**
 * Points an existing link at another place of our own.
 *
 * @param {HTMLAnchorElement} node
 * @param {string} path
 * @throws {Error} where it would lead elsewhere
 */
export function setLocalHref(node, path) {
  if (!/^(#|\?|\/(?![/\\]))/.test(path) || /[\u0000-\u001f\\]/.test(path)) throw new Error(`no address of our own: ${path}`);
  node.href = path.startsWith('/') ? rooted(path) : path;
}

/**
 * Shows an image, from its own bytes or from our own server. One that cannot be shown so (a remote address, SVG, an
 * unknown type) becomes a line of text that says what it is: nothing is ever loaded from elsewhere.
 *
 * @param {{mime_type: string, data?: string | null, uri?: string | null, href?: string | null, alt?: string}} source
 *   `data` is base64; `href` is a path under /api/sessions/
 * @returns {HTMLElement} an `<img>` or a placeholder
 */
export function image({ mime_type, data, uri, href, alt = '' }) {
  const type = mime_type.trim().toLowerCase();
  if (typeof data === 'string' && IMAGE_TYPES.has(type)) {
    const base64 = data.replace(/\s+/g, '');
    if (/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return img(`data:${type};base64,${base64}`, alt, pngSize(base64));
  }
  if (typeof href === 'string' && IMAGE_TYPES.has(type) && isPartHref(href)) return img(href, alt);
  return placeholder(mime_type, uri ?? null);
}

/** @param {string} src @param {string} alt @param {{width: number, height: number} | null} [size]  keeps its place free until it is drawn */
function img(src, alt, size = null) {
  const node = el('img', { attrs: { alt, decoding: 'async', draggable: 'false', ...size } });
  node.src = src;
  return node;
}

/** What a PNG's header says of its size (PNG specification, IHDR). @param {string} base64 */
function pngSize(base64) {
  if (!base64.startsWith('iVBORw0KGgo') || base64.length < 32) return null;
  const bytes = atob(base64.slice(0, 32));
  const number = (/** @type {number} */ at) => [0, 1, 2, 3].reduce((sum, place) => sum * 256 + bytes.charCodeAt(at + place), 0);
  const [width, height] = [number(16), number(20)];
  return width > 0 && height > 0 && width < 100_000 && height < 100_000 ? { width, height } : null;
}

/** @param {string} type @param {string | null} uri */
function placeholder(type, uri) {
  const what = uri === null ? `Image that is not shown (${shown(type)})` : 'Image at another address, not loaded:';
  const where = uri === null ? null : link(uri, el('span', { class: 'image-address', text: shown(uri) }));
  return el('span', { class: 'image-placeholder' }, icon('image'), el('span', {}, what, where && ' ', where));
}

/**
 * Whether an address is one of our own server's for a part of a session (`truncated.href`).
 *
 * @param {string} href
 */
export function isPartHref(href) {
  return /^\/api\/sessions\/[^\s\\]+$/.test(unrooted(href) ?? '') && !/(^|\/)\.{1,2}(\/|$)|%2e/i.test(href);
}

/**
 * The one element that a selector names.
 *
 * @param {ParentNode} root
 * @param {string} selector
 * @returns {HTMLElement}
 * @throws {Error} where there is none
 */
export function find(root, selector) {
  const node = root.querySelector(selector);
  if (node === null) throw new Error(`nothing matches ${selector}`);
  return /** @type {HTMLElement} */ (node);
}

/**
 * Takes everything out of a node.
 *
 * @param {Node} node
 */
export function clear(node) {
  while (node.firstChild) node.removeChild(node.firstChild);
}

/**
 * Puts these children, and nothing else, into a node.
 *
 * @param {ParentNode & Node} node
 * @param {...Child} children
 */
export function replaceChildren(node, ...children) {
  clear(node);
  append(node, children);
}

/**
 * Makes these the only children of a node, in this order. Those that are there already are not touched, and those that
 * look the same as what is in their place give way to it: what one reads does not blink, what is selected stays so.
 *
 * @param {ParentNode & Node} node
 * @param {Node[]} children
 */
export function keepChildren(node, children) {
  const wanted = new Set(children);
  let at = node.firstChild;
  for (const child of children) {
    while (at && at !== child && !wanted.has(at) && !at.isEqualNode(child) && !isWrapperOf(at, child)) at = removed(at);
    if (at && at !== child && !wanted.has(at)) {
      if (!at.isEqualNode(child)) keepChildren(/** @type {Element} */ (at), [...child.childNodes]);
      at = at.nextSibling;
    } else if (at === child) at = at.nextSibling;
    else node.insertBefore(child, at);
  }
  while (at) at = removed(at);
}

/** @param {ChildNode} node @returns {ChildNode | null} the one after it */
function removed(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}

/** Whether one element may take in what another holds: neither is more than a frame. @param {Node} one @param {Node} other */
function isWrapperOf(one, other) {
  return one instanceof Element && other instanceof Element && one.hasAttribute('data-frame') && one.cloneNode(false).isEqualNode(other.cloneNode(false));
}

/** @param {string} text @returns {Text} */
export function text(text) {
  return document.createTextNode(text);
}

/** @returns {DocumentFragment} */
export function fragment(/** @type {Child[]} */ ...children) {
  const node = document.createDocumentFragment();
  append(node, children);
  return node;
}

/** @param {Node} node @param {Child[]} children */
function append(node, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    node.appendChild(typeof child === 'string' ? document.createTextNode(child) : child);
  }
}

/**
 * An address for people to read: short enough for a tooltip, direction controls taken out.
 *
 * @param {string} address
 */
function shown(address) {
  const plain = address.replace(/[\u0000-\u001f\u007f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '\ufffd');
  return plain.length > 300 ? `${plain.slice(0, 299)}…` : plain;
}
