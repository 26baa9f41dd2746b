/**
 * Writes `dashboard/assets/idiomorph.ts` from the npm package: `deno task assets`.
 *
 * @module
 */
import { readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

const FOLDER = join(ROOT, "node_modules", "idiomorph");

/** @returns The script of the npm package. */
export async function readIdiomorph(): Promise<string> {
  return await readFile(join(FOLDER, "dist", "idiomorph.min.js"), "utf8");
}

if (import.meta.main) {
  const { version, license } = JSON.parse(await readFile(join(FOLDER, "package.json"), "utf8"));
  const text = `/**
 * idiomorph ${version} by Big Sky Software, licence ${license}:
 * https://github.com/bigskysoftware/idiomorph. Written by \`deno task assets\`.
 */
export const IDIOMORPH =
  ${JSON.stringify(await readIdiomorph())};
`;
  await writeFile(join(ROOT, "dashboard", "assets", "idiomorph.ts"), text);
}
