/**
 * Makes the package for npm: `deno run -A release/npm_package.ts dramatiq.tgz`.
 *
 * `deno pack` compiles what the exports reach, and writes a package.json without the fields that
 * bundlers, npm and its users need; they are added here.
 *
 * @module
 */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const run = promisify(execFile);

/** Modules that do something when they are imported; bundlers may leave out all others. */
export const SIDE_EFFECTS: readonly string[] = [
  "./mod.js",
  "./brokers/mod.js",
  "./brokers/default_broker.js",
  "./worker.js",
  "./worker/executors/*_entry.js",
];

type Fields = Record<string, unknown>;

/**
 * Adds the fields that `deno pack` does not write.
 *
 * @param packed The package.json of `deno pack`.
 * @param own The one of the repository.
 * @param repository `owner/name`, by which npm proves where a package comes from.
 * @returns The package.json to publish.
 */
export function completePackage(packed: Fields, own: Fields, repository?: string): Fields {
  const { description, engines } = own;
  const url = `git+https://github.com/${repository}.git`;
  return {
    ...packed,
    description,
    engines,
    ...(repository !== undefined && { repository: { type: "git", url } }),
    sideEffects: SIDE_EFFECTS,
    bin: { dramatiq: "./worker.js" },
  };
}

/**
 * Packs this repository for npm.
 *
 * @param output The tarball to write.
 */
export async function packForNpm(output: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "dramatiq-npm-"));
  try {
    const packed = join(folder, "packed.tgz");
    const args = ["pack", "--no-source-maps", "--allow-dirty", "--output", packed];
    await run(process.execPath, args, { cwd: ROOT, maxBuffer: 2 ** 24 });
    await run("tar", ["-xzf", packed, "-C", folder]);
    const file = join(folder, "package", "package.json");
    const own = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
    const fields = completePackage(
      JSON.parse(await readFile(file, "utf8")),
      own,
      process.env["GITHUB_REPOSITORY"],
    );
    await writeFile(file, JSON.stringify(fields, undefined, 2) + "\n");
    await run("tar", ["-czf", resolve(output), "-C", folder, "package"]);
  } finally {
    await rm(folder, { recursive: true });
  }
}

if (import.meta.main) await packForNpm(process.argv[2]!);
