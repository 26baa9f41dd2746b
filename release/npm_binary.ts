/**
 * The command `dramatiq` of the package for npm: checks the runtime, and then loads the command line.
 *
 * @module
 */

/** Versions that the field `engines` of package.json asks for. */
export interface Engines {
  /** Such as `>=22.18`. */
  readonly node: string;
  /** Such as `>=1.4`. */
  readonly bun: string;
}

/**
 * Writes the program. It imports nothing before it has checked the runtime, and has no syntax that
 * old versions do not know: they would fail with an error that says nothing of versions.
 *
 * @param engines What the package needs.
 * @returns Its text.
 */
export function binaryOf({ node, bun }: Engines): string {
  const least = (range: string) => /^>=(\d+\.\d+)$/.exec(range)![1]!;
  return `#!/usr/bin/env node
var isBun = process.versions.bun !== undefined;
var name = isBun ? "Bun" : "Node";
var version = isBun ? process.versions.bun : process.versions.node;
var least = isBun ? "${least(bun)}" : "${least(node)}";
var given = version.split(".").map(Number);
var needed = least.split(".").map(Number);
if (given[0] < needed[0] || given[0] === needed[0] && given[1] < needed[1]) {
  console.error("Cannot run dramatiq: " + name + " " + least + " or later is needed, this is " + version);
  process.exit(2);
}
import("./worker.js").then(function (worker) {
  return worker.runWorker();
});
`;
}
