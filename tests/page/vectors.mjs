/** The conformance vectors (docs/conformance.md), for tests of the page. */

import { readFileSync, readdirSync } from 'node:fs';

const FOLDER = new URL('../../docs/contract/vectors/', import.meta.url);

/** @typedef {{ at_ms: number, [kind: string]: any }} Step */
/** @typedef {{ events: number[], end: string, code?: string }} Outcome */
/** @typedef {{ name: string, title: string, for?: string, needs?: string[], session: any, steps: Step[], outcome?: Outcome }} Vector */

/** @returns {Vector[]} */
export function vectors() {
  const files = readdirSync(FOLDER).filter((name) => name.endsWith('.json')).sort();
  return files.map((name) => JSON.parse(readFileSync(new URL(name, FOLDER), 'utf8')));
}

/**
 * A message as a server might send it that matches.
 *
 * @param {any} expected
 * @returns {any}
 */
export function sample(expected) {
  if (Array.isArray(expected)) return expected.map(sample);
  if (typeof expected !== 'object' || expected === null) return expected;
  if ('$about' in expected) return expected.$about;
  if ('$is' in expected || '$same' in expected) return expected.like;
  return Object.fromEntries(Object.entries(expected).filter(([, value]) => value?.$absent === undefined).map(([name, value]) => [name, sample(value)]));
}
