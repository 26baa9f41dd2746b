/** A plausible mistake in the library, and the tests that ought to notice it. */
export interface Mutant {
  /** The file, from the root of the repository. */
  readonly file: string;
  /** The mistake, as a reviewer would put it. */
  readonly mistake: string;
  /** The exact text; it must occur once in the file. */
  readonly text: string;
  /** The text that takes its place. */
  readonly replacement: string;
  /** Test files, from the root of the repository. */
  readonly tests: readonly string[];
  /** Part of the names of the tests to run. @default {undefined} All tests of the files. */
  readonly filter?: string | undefined;
  /** The reason why the tests need not notice it, for a survivor that stays. */
  readonly stays?: string | undefined;
}

/** Options of an entry: everything that differs from the rest of its file. */
export interface EntryOptions extends Partial<Pick<Mutant, "filter" | "stays">> {
  /** Test files that ought to notice this one. @default {undefined} Those of the list. */
  tests?: string | readonly string[];
}

/** One line of a table: the mistake, the exact text, the replacement. */
export type Entry = readonly [
  mistake: string,
  text: string,
  replacement: string,
  options?: EntryOptions,
];

/**
 * Makes the mutants of one file.
 *
 * @param file The file, from the root of the repository.
 * @param tests Test files that ought to notice.
 * @param entries The mistakes.
 */
export function mutantsOf(
  file: string,
  tests: string | readonly string[],
  entries: readonly Entry[],
): Mutant[] {
  return entries.map(([mistake, text, replacement, options = {}]) => {
    const { tests: own = tests, filter, stays } = options;
    return {
      file,
      mistake,
      text,
      replacement,
      tests: typeof own === "string" ? [own] : own,
      filter,
      stays,
    };
  });
}

/** Position of the text of a mutant: the line, or why it cannot be replaced. */
export function locate(source: string, { text }: Mutant): number | "gone" | "ambiguous" {
  const at = source.indexOf(text);
  if (at === -1) return "gone";
  if (source.indexOf(text, at + 1) !== -1) return "ambiguous";
  return source.slice(0, at).split("\n").length;
}

/** @returns The source with the mistake in it. */
export function mutate(source: string, { text, replacement }: Mutant): string {
  const at = source.indexOf(text);
  return source.slice(0, at) + replacement + source.slice(at + text.length);
}
