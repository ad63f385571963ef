/**
 * What the list is asked to show: in the page's address, and as the server is asked for it.
 *
 * @import { Query } from './api.js'
 */

const DAY_MS = 86_400_000;

/** @type {readonly (readonly [string, string])[]} */
export const SORTS = [
  ['-updated_at', 'Newest first'],
  ['updated_at', 'Oldest first'],
  ['-duration_ms', 'Longest first'],
  ['-count', 'Most messages'],
  ['title', 'By title'],
];

/** Days back from today, today being the first of them. @type {readonly (readonly [string, string])[]} */
export const SPANS = [['1', 'Today'], ['7', 'Last 7 days'], ['30', 'Last 30 days'], ['365', 'Last year']];

/**
 * @typedef {Object} Filters  empty for what is not filtered by
 * @property {string} q
 * @property {string} agent
 * @property {string} project
 * @property {string} model
 * @property {string} days  one of SPANS; then there is no `after` and no `before`
 * @property {string} after  a day, `2026-11-22`, the first that counts
 * @property {string} before  the last that counts
 * @property {boolean} errors
 * @property {boolean} live
 * @property {string} sort
 */

/**
 * @param {string} search  of an address, with or without its `?`; what is not understood counts as left out
 * @returns {Filters}
 */
export function parseFilters(search) {
  const fields = new URLSearchParams(search);
  const text = (/** @type {string} */ name) => (fields.get(name) ?? '').trim();
  const one = (/** @type {string} */ name, /** @type {readonly (readonly [string, string])[]} */ of) => of.find(([value]) => value === text(name))?.[0] ?? '';
  const days = one('days', SPANS);
  return {
    q: text('q'),
    agent: text('agent'),
    project: text('project'),
    model: text('model'),
    days,
    after: days ? '' : day(text('after')),
    before: days ? '' : day(text('before')),
    errors: text('errors') === '1',
    live: text('live') === '1',
    sort: one('sort', SORTS) || '-updated_at',
  };
}

/**
 * @param {Filters} filters
 * @returns {string} `?…`, or nothing where all is as it is to begin with
 */
export function formatFilters(filters) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(filters)) {
    const said = value === true ? '1' : value === false ? '' : value;
    if (said && !(name === 'sort' && said === '-updated_at')) query.set(name, said);
  }
  const text = query.toString();
  return text ? `?${text}` : '';
}

/**
 * @param {Filters} filters
 * @param {number} now  milliseconds since 1970
 * @returns {Query} days are those of the viewer's calendar
 */
export function toQuery(filters, now) {
  const { q, agent, project, model, days, after, before, errors, live, sort } = filters;
  const today = new Date(now);
  const first = days ? new Date(today.getFullYear(), today.getMonth(), today.getDate() + 1 - Number(days)) : midnight(after);
  const last = midnight(before);
  return {
    q,
    agent,
    project,
    model,
    sort,
    ...(first ? { after: first.toISOString() } : {}),
    ...(last ? { before: new Date(last.getFullYear(), last.getMonth(), last.getDate() + 1).toISOString() } : {}),
    ...(errors ? { errors: 1 } : {}),
    ...(live ? { live: 1 } : {}),
  };
}

/**
 * How many filters narrow the list, the words looked for aside.
 *
 * @param {Filters} filters
 */
export function countFilters({ agent, project, model, days, after, before, errors, live }) {
  return [agent, project, model, days || after || before, errors, live].filter((each) => each).length;
}

/** @param {string} text @returns {string} a day that there is, or nothing */
function day(text) {
  const time = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : NaN;
  return Number.isNaN(time) || new Date(time).toISOString().slice(0, 10) !== text || Math.abs(time) > 1e5 * DAY_MS ? '' : text;
}

/** @param {string} text  a day @returns {Date | null} when it begins here */
function midnight(text) {
  if (!text) return null;
  const [year = 0, month = 1, date = 1] = text.split('-').map(Number);
  return new Date(year, month - 1, date);
}
