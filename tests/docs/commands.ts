/**
 * The commands on the pages of the documentation, as lists of words.
 *
 * @module
 */
import type { Fence, Page } from "./pages.ts";

/** A command of a page. */
export interface DocumentedCommand {
  /** Page, and the line of its block. */
  readonly place: string;
  readonly page: Page;
  readonly words: readonly string[];
}

/** Settings of variables before a command. */
const ASSIGNMENT = /^\w+=/;

/** Splits a line at spaces outside quotes, and takes the quotes away. */
function wordsOf(line: string): string[] {
  const words = line.match(/(?:[^\s"']|"[^"]*"|'[^']*')+/g) ?? [];
  return words.map((word) => word.replaceAll(/"([^"]*)"|'([^']*)'/g, "$1$2"));
}

/** Lines of a block that a user types, each in full. */
function typedLines({ language, text }: Fence): string[] {
  const lines = text.replaceAll(/\\\n\s*/g, "").split("\n");
  if (language === "sh") return lines;
  return lines.filter((line) => line.startsWith("$ ")).map((line) => line.slice(2));
}

/**
 * Finds the commands of a block in `sh` or `console`: also those that a comment names as
 * alternatives (`# or: bun run worker.ts`), unless they are abbreviated.
 *
 * @param fence The block.
 * @returns The commands in their order.
 */
export function commandsOf(fence: Fence): DocumentedCommand[] {
  const place = `${fence.page.name}:${fence.line}`;
  const commands: DocumentedCommand[] = [];
  for (const line of typedLines(fence)) {
    const [, typed = "", comment = ""] = /^(.*?)(?:(?:^|\s)#\s*(.*))?$/.exec(line)!;
    const [, alternatives = ""] = /\bor: (.*)$/.exec(comment) ?? [];
    const others = alternatives.split(/, (?=bun|node|npm|npx|deno)/)
      .filter((other) => !other.includes("…"));
    for (const text of [...typed.split(" && "), ...others]) {
      const words = wordsOf(text.replace(/[&;]\s*$/, ""));
      while (ASSIGNMENT.test(words[0] ?? "")) words.shift();
      if (words.length > 0) commands.push({ place, page: fence.page, words });
    }
  }
  return commands;
}

/**
 * Finds commands within sentences and tables, as far as they are not abbreviated: `deno task demo`,
 * or `worker.ts pause`, which stands for that file on any runtime.
 *
 * @param page The page.
 * @returns The commands in their order.
 */
export function inlineCommandsOf(page: Page): DocumentedCommand[] {
  const prose = page.text.replaceAll(/^( *)```.*?^\1```$/gms, "");
  const spans = prose.matchAll(/`((?:deno (?:task|run)|worker\.ts|npx|bunx|bun|node) [^`…|<]+)`/g);
  return Array.from(spans, ([, text]) => {
    const words = wordsOf(text!.startsWith("worker.ts") ? `bun ${text}` : text!);
    return { place: page.name, page, words };
  });
}
