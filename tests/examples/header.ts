import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "@std/assert";
import { ROOT } from "../cli/fixture.ts";

/** The first three lines of an example. */
export interface Header {
  /** The command that runs it. */
  readonly command: string;
  /** Lines that it prints. */
  readonly lines: readonly string[];
}

/** Reads the header of an example, and fails if it has none. */
export async function headerOf(name: string): Promise<Header> {
  const text = await readFile(join(ROOT, "examples", name), "utf8");
  const match = /^\/\/ .+\n\/\/ Run: (.+)\n\/\/ (?:Prints|Answers): (.+)\n(?!\/\/)/.exec(text);
  assert(match !== null, `${name} does not begin with what it shows, Run: and Prints:`);
  return { command: match[1]!, lines: match[2]!.split(" | ") };
}
