/**
 * One session in the list. A row is made once and then kept up to date: whoever is about to press it finds it where it
 * was, and with the focus that it had.
 *
 * @import { Hit, SessionSummary } from '../protocol.js'
 */

import { formatHit } from '../deep-link.js';
import { el, icon, localLink, replaceChildren, setLocalHref } from '../dom.js';
import { clock, count, dateTime, oneLine, relativeDate, safeText } from '../format.js';
import { SYNTHETIC_WORDS, liveBadge } from './chrome.js';

/** Places shown of each session in which something was found. */
const SHOWN_HITS = 3;

/** @type {Record<string, { icon: import('../icons.js').IconName, words: string }>} */
const HIT_KINDS = {
  text: { icon: 'speech', words: 'said' },
  thinking: { icon: 'brain', words: 'thought' },
  tool_call: { icon: 'tool', words: 'asked of a tool' },
  tool_result: { icon: 'terminal', words: 'answered by a tool' },
};

/** Where a session is played. @param {string} scrollId @param {string} [hash] */
export function sessionPath(scrollId, hash = '') {
  return `/sessions/${encodeURIComponent(scrollId)}${hash}`;
}

/** @param {Pick<SessionSummary, 'title'>} session */
export function titleOf({ title }) {
  return oneLine(title ?? '', 200) || 'Session without a title';
}

export class SessionRow {
  node;
  #id;
  #link;
  #title = el('span', { class: 'row-title' });
  #facts = el('p', { class: 'facts' });
  #belongs = el('p', { class: 'row-belongs', hidden: true });
  #error = el('p', { class: 'row-error', hidden: true });
  #count = el('span', { class: 'row-count' });
  #lengthWords = el('span');
  #length = el('span', { class: 'row-length' }, icon('play'), this.#lengthWords);
  #when = el('span', { class: 'row-when' });
  #broken = el('span', { class: 'badge error row-broken' }, icon('warning'), 'Cannot be played');
  #hits = el('ul', { class: 'hits', hidden: true });
  #row;
  /** What each part shows already, so that nothing is drawn twice. @type {Map<string, string>} */
  #shown = new Map();

  /** @param {string} scrollId */
  constructor(scrollId) {
    this.#id = scrollId;
    this.#link = localLink(sessionPath(scrollId), { class: 'row-link' });
    this.#row = el('div', { class: 'row' }, el('div', { class: 'row-main' }, this.#title, this.#facts, this.#belongs, this.#error), this.#count, this.#length, this.#when, this.#broken, this.#hits);
    this.node = el('li', {}, this.#row);
  }

  /**
   * @param {SessionSummary} session
   * @param {string} q  what was looked for
   * @param {(scrollId: string) => string | null} titleOfParent  `null` while it is not known
   */
  update(session, q, titleOfParent) {
    this.#drawTitle(session);
    this.#drawFacts(session);
    this.#drawParent(session.parent_scroll_id, titleOfParent);
    this.#drawNumbers(session);
    this.#drawHits(session.hits ?? [], q);
  }

  /** @param {SessionSummary} session  one that cannot be played is no link */
  #drawTitle(session) {
    const title = titleOf(session);
    const broken = Boolean(session.error);
    if (this.#changed('title', `${broken} ${title}`)) {
      const focused = document.activeElement === this.#link;
      this.#row.classList.toggle('broken', broken);
      replaceChildren(this.#title, broken ? title : this.#link);
      this.#link.textContent = title;
      if (focused && !broken) this.#link.focus();
    }
    if (this.#changed('live', String(session.live))) setLocalHref(this.#link, sessionPath(this.#id, session.live ? '#live' : ''));
    this.#error.hidden = !broken;
    if (this.#changed('error', session.error ?? '')) this.#error.textContent = oneLine(session.error ?? '', 300);
  }

  /** @param {SessionSummary} session */
  #drawFacts(session) {
    const { agent, model, project, live, has_errors: errors, source_gone: gone, timing } = session;
    if (!this.#changed('facts', [agent, model, project, live, errors, gone, timing].join('\n'))) return;
    const facts = [agent, model, project].filter((each) => each).map((each) => el('span', { class: 'fact', text: oneLine(String(each), 60) }));
    replaceChildren(this.#facts,
      live && liveBadge(),
      ...facts,
      errors && this.#tag('warning', 'errors', 'A tool call failed in it', 'tag error'),
      gone && this.#tag('gone', 'source gone', 'The file that this session was read from is no longer there'),
      timing === 'synthetic' && this.#tag('clock', 'no timestamps', SYNTHETIC_WORDS));
  }

  /**
   * @param {import('../icons.js').IconName} name
   * @param {string} words
   * @param {string} title
   */
  #tag(name, words, title, look = 'tag') {
    return el('span', { class: look, title, on: { click: () => this.#link.click() } }, icon(name), words);
  }

  /**
   * @param {string | null} parentId
   * @param {(scrollId: string) => string | null} titleOfParent
   */
  #drawParent(parentId, titleOfParent) {
    const title = parentId ? titleOfParent(parentId) : null;
    if (!this.#changed('parent', `${parentId} ${title}`)) return;
    this.#belongs.hidden = !parentId;
    if (!parentId) return;
    replaceChildren(this.#belongs, icon('branch'), 'Subagent of ', localLink(sessionPath(parentId), { class: 'row-parent', text: title ?? 'another session' }));
  }

  /** @param {SessionSummary} session */
  #drawNumbers({ count: messages, duration_ms: durationMs, updated_at: updated, created_at: created }) {
    const when = updated ?? created;
    say(this.#count, messages === null ? '' : count(messages, 'message'));
    say(this.#lengthWords, durationMs === null ? '–' : clock(durationMs));
    say(this.#when, when ? relativeDate(when) : '');
    if (this.#changed('when', when ?? '')) this.#when.title = when ? dateTime(when) : '';
  }

  /**
   * @param {Hit[]} hits
   * @param {string} q
   */
  #drawHits(hits, q) {
    const some = hits.slice(0, SHOWN_HITS);
    if (!this.#changed('hits', JSON.stringify([q, hits.length, some]))) return;
    this.#hits.hidden = hits.length === 0;
    const [first] = hits;
    const rest = hits.length - some.length;
    replaceChildren(this.#hits, ...some.map((hit) => el('li', {}, this.#hitLink(hit, q))),
      rest > 0 && first !== undefined && el('li', { class: 'hits-more', text: `and ${rest.toLocaleString('en')} more in this session` }));
  }

  /**
   * @param {Hit} hit
   * @param {string} q
   */
  #hitLink({ seq, t_ms: tMs, kind, snippet }, q) {
    const known = HIT_KINDS[kind] ?? { icon: 'search', words: oneLine(kind.replace(/_/g, ' '), 30) };
    const pieces = snippet.map(({ text, match }) => (match ? el('mark', { text: plain(text) }) : plain(text)));
    return localLink(sessionPath(this.#id, formatHit(seq, q)), { class: 'hit', title: `${known.words}, at ${clock(tMs)}` },
      icon(known.icon), el('span', { class: 'hit-words' }, ...pieces), el('span', { class: 'hit-time', text: clock(tMs) }));
  }

  /**
   * @param {string} part
   * @param {string} value
   */
  #changed(part, value) {
    if (this.#shown.get(part) === value) return false;
    this.#shown.set(part, value);
    return true;
  }
}

/** A snippet is a line, without the marks of emphasis and code. @param {string} text */
function plain(text) {
  return safeText(text.replace(/\*\*|`/g, '').replace(/\s+/g, ' '));
}

/**
 * @param {HTMLElement} node
 * @param {string} words
 */
function say(node, words) {
  if (node.textContent !== words) node.textContent = words;
}
