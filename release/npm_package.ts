/**
 * Makes the package for npm: `deno run -A release/npm_package.ts dramatiq.tgz`.
 *
 * `deno pack` compiles what the exports reach, and writes a package.json without the fields that
 * bundlers, npm and its users need; they are added here. It writes a file for each module, which
 * `npm_chunks.ts` puts together; types stay as they are.
 *
 * @module
 */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { binaryOf } from "./npm_binary.ts";
import type { Chunks } from "./npm_chunks.ts";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const run = promisify(execFile);
/** The command of the package. */
const BINARY = "dramatiq.js";

type Fields = Record<string, unknown>;

/**
 * Adds the fields that `deno pack` does not write.
 *
 * @param packed The package.json of `deno pack`.
 * @param own The one of the repository.
 * @param sideEffects The files that bundlers may not leave out.
 * @param repository `owner/name`, by which npm proves where a package comes from.
 * @returns The package.json to publish.
 */
export function completePackage(
  packed: Fields,
  own: Fields,
  sideEffects: readonly string[],
  repository?: string,
): Fields {
  const { description, engines } = own;
  const url = `git+https://github.com/${repository}.git`;
  return {
    ...packed,
    description,
    engines,
    ...(repository !== undefined && { repository: { type: "git", url } }),
    sideEffects,
    bin: { dramatiq: `./${BINARY}` },
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
    await complete(join(folder, "package"));
    await run("tar", ["-czf", resolve(output), "-C", folder, "package"]);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Makes of what `deno pack` has packed what npm gets. */
async function complete(folder: string): Promise<void> {
  const readJson = async (path: string) => JSON.parse(await readFile(path, "utf8"));
  const file = join(folder, "package.json");
  const packed = await readJson(file);
  const { makeChunks } = await import("./npm_chunks.ts"); // Rollup is needed to pack only
  const entries = Object.values<{ default: string }>(packed.exports);
  const chunks = await makeChunks(folder, entries.map((entry) => entry.default.slice("./".length)));
  await replaceModules(folder, chunks);
  const own = await readJson(join(ROOT, "package.json"));
  await writeFile(join(folder, BINARY), binaryOf(own.engines), { mode: 0o755 });
  const repository = process.env["GITHUB_REPOSITORY"];
  const fields = completePackage(packed, own, chunks.sideEffects, repository);
  await writeFile(file, JSON.stringify(fields, undefined, 2) + "\n");
}

/** Writes the chunks in the place of all modules. Types stay. */
async function replaceModules(folder: string, { files }: Chunks): Promise<void> {
  for (const path of await readdir(folder, { recursive: true })) {
    if (path.endsWith(".js")) await rm(join(folder, path));
  }
  for (const [path, code] of files) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), code);
  }
}

if (import.meta.main) await packForNpm(process.argv[2]!);
