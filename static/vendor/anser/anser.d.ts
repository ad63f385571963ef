import type Anser from 'anser';
import type { AnserJsonEntry, AnserOptions } from 'anser';
export type { AnserJsonEntry } from 'anser';
export const ansiToJson: (text: string, options?: AnserOptions) => AnserJsonEntry[];
