/**
 * Fails unless a tag is the version that this repository names:
 * `deno run --allow-read release/check_version.ts v1.2.3`.
 *
 * @module
 */
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** Position of a version: the file, and what stands around it. */
const PLACES: readonly (readonly [file: string, pattern: RegExp])[] = [
  ["deno.json", /^ {2}"version": "([^"]+)"/m],
  ["package.json", /^ {2}"version": "([^"]+)"/m],
  ["platform/version.ts", /VERSION = "([^"]+)"/],
  ["CHANGELOG.md", /^## \[([^\]]+)\]/m],
];

/**
 * Compares a tag with the files that name the version.
 *
 * @param tag `v1.2.3`.
 * @param read Reads a file of the repository.
 * @returns The files that name another version, each with that.
 */
export async function findOtherVersions(
  tag: string,
  read: (file: string) => Promise<string>,
): Promise<string[]> {
  const others: string[] = [];
  for (const [file, pattern] of PLACES) {
    const version = pattern.exec(await read(file))?.[1];
    if (`v${version}` !== tag) others.push(`${file}: ${version}`);
  }
  return others;
}

if (import.meta.main) {
  const tag = process.argv[2] ?? "";
  const others = await findOtherVersions(tag, (file) => readFile(join(ROOT, file), "utf8"));
  for (const other of others) console.error(`The tag is ${tag}, but ${other}`);
  if (others.length > 0) process.exit(1);
}
