import { run } from "./project.ts";

/** A runtime that packages from npm run on. */
export interface Runtime {
  readonly name: string;
  /** Its path. */
  readonly path: string;
}

/**
 * Finds the runtimes that packages from npm have to run on: the least version of Node, the one of
 * the suite, and Bun. Those that are not installed come from npm.
 *
 * @param folder Where nothing has a package.json.
 */
export async function findRuntimes(
  folder: string,
): Promise<[node22: Runtime, node24: Runtime, bun: Runtime]> {
  return await Promise.all([
    find("node", "22.18", folder),
    find("node", "24", folder),
    find("bun", "1.4", folder),
  ]);
}

async function find(program: string, version: string, folder: string): Promise<Runtime> {
  const name = `${program} ${version}`;
  const path = ["-p", "process.execPath"];
  try {
    const installed = (await run([program, "--version"], folder)).trim().replace(/^v/, "");
    if (installed.startsWith(`${version}.`)) {
      return { name, path: (await run([program, ...path], folder)).trim() };
    }
  } catch {
    // It is not installed.
  }
  const npx = ["npx", "-y", "--prefer-offline", `${program}@${version}`];
  return { name, path: (await run([...npx, ...path], folder)).trim() };
}
