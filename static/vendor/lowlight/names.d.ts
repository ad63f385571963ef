/** The languages that there are grammars of. */
export const languages: readonly string[];
/** Other names of languages, and the grammar of each. */
export const aliases: Readonly<Record<string, string>>;
