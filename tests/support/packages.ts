/**
 * Installs the packages of `package-lock.json` for Bun and Node: `deno run -A tests/support/packages.ts`.
 *
 * @module
 */

import { Output } from "./output.ts";

/**
 * Installs packages unless that was done since the lock file last changed.
 *
 * @param output Where to print.
 */
export async function installPackages(output: Output): Promise<void> {
  const lock = await Deno.stat("package-lock.json");
  const installed = await Deno.stat("node_modules/.package-lock.json").catch(() => undefined);
  if (installed !== undefined && installed.mtime! >= lock.mtime!) return;
  // better-sqlite3 brings compiled code, and npm would compile it anew, with headers from the network.
  const code = await output.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
  if (code !== 0) throw new Error(`Cannot install the packages: npm ended with code ${code}`);
}

if (import.meta.main) {
  const output = new Output();
  output.show();
  await installPackages(output);
}
