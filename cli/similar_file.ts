import { readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/**
 * Finds the file that the user may have meant.
 *
 * @param path Path of a missing file.
 * @returns The file in the same folder with the most similar name, if one is similar enough.
 */
export function similarFile(path: string): string | undefined {
  const wanted = basename(path);
  let names: string[];
  try {
    names = readdirSync(dirname(path)).filter((name) => /\.[cm]?[jt]sx?$/.test(name));
  } catch {
    return undefined; // the folder is missing, too
  }
  const nearest = similarName(wanted, names);
  if (nearest === undefined) return undefined;
  const folder = dirname(path);
  return folder === "." && !path.startsWith("./") ? nearest : join(folder, nearest);
}

/**
 * Finds the name that the user may have meant.
 *
 * @param wanted What they wrote.
 * @param names Names that exist.
 * @returns The most similar one, if it is similar enough.
 */
export function similarName(wanted: string, names: readonly string[]): string | undefined {
  const [nearest] = names
    .map((name) => ({ name, distance: distanceBetween(wanted, name) }))
    .filter(({ name, distance }) => distance <= Math.max(2, name.length / 4))
    .sort((a, b) => a.distance - b.distance);
  return nearest?.name;
}

/** Levenshtein distance, but 0 if only the extension is missing. */
function distanceBetween(wanted: string, name: string): number {
  if (name.replace(/\.\w+$/, "") === wanted) return 0;
  let row = Array.from({ length: name.length + 1 }, (_, i) => i);
  for (const [i, letter] of [...wanted].entries()) {
    const next = [i + 1];
    for (let j = 0; j < name.length; j++) {
      const changed = row[j]! + (name[j] === letter ? 0 : 1);
      next.push(Math.min(changed, row[j + 1]! + 1, next[j]! + 1));
    }
    row = next;
  }
  return row[name.length]!;
}
