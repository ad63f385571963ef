import type { createLowlight as create, LanguageFn } from 'lowlight';
export const createLowlight: typeof create;
/** By their names. Making one of these ready takes a millisecond or more. */
export const grammars: Readonly<Record<string, LanguageFn>>;
