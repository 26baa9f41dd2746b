/**
 * The pages that users read, and the fenced blocks on them.
 *
 * @module
 */
import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The root of the repository. */
export const ROOT: string = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Files that are not in the package. */
const NOT_SOURCE = /(?:^|\/)(?:node_modules|\.[^/]+)\/|^(?:bench|examples|release|tests)\//;

/** A page in Markdown. */
export interface Page {
  /** Path from the root. */
  readonly name: string;
  readonly text: string;
}

/** A fenced block of a page. */
export interface Fence {
  readonly page: Page;
  /** Line of its first fence, counted from 1. */
  readonly line: number;
  /** Language: `ts`, `sh`, `console`; empty for none. */
  readonly language: string;
  /** True for one that is not run. */
  readonly isIgnored: boolean;
  readonly text: string;
}

/** @returns README.md, CONTRIBUTING.md, and all pages of `docs/`. */
export async function readPages(): Promise<Page[]> {
  const docs = await readdir(join(ROOT, "docs"), { recursive: true });
  const names = docs.filter((name) => name.endsWith(".md")).map((name) => `docs/${name}`);
  return await Promise.all(
    ["README.md", "CONTRIBUTING.md", ...names.toSorted()].map(async (name) => ({
      name,
      text: await readFile(join(ROOT, name), "utf8"),
    })),
  );
}

/** @returns The doc comments of the package's source, each file a page with the same line numbers. */
export async function readDocComments(): Promise<Page[]> {
  const files = await readdir(ROOT, { recursive: true });
  const names = files.filter((name) => name.endsWith(".ts") && !NOT_SOURCE.test(name));
  return await Promise.all(
    names.toSorted().map(async (name) => ({
      name,
      text: docCommentsOf(await readFile(join(ROOT, name), "utf8")),
    })),
  );
}

/** Replaces the code by empty lines, and takes the stars off the comments. */
function docCommentsOf(source: string): string {
  let isInComment = false;
  return source.split("\n").map((line) => {
    isInComment ||= /^ *\/\*\*/.test(line);
    const text = isInComment ? line.replace(/^ *\/?\*+\/? ?/, "") : "";
    isInComment &&= !line.includes("*/");
    return text;
  }).join("\n");
}

/** @returns The fenced blocks of a page, indented ones included, without their indentation. */
export function fencesOf(page: Page): Fence[] {
  const blocks = page.text.matchAll(/^( *)```([^\n]*)\n(.*?)^\1```$/gms);
  return Array.from(blocks, ({ index, 1: indent = "", 2: marks = "", 3: text = "" }) => {
    const [language = "", ...others] = marks.split(" ");
    return {
      page,
      line: page.text.slice(0, index).split("\n").length,
      language,
      isIgnored: others.includes("ignore"),
      text: text.replaceAll(new RegExp(`^${indent}`, "gm"), ""),
    };
  });
}
