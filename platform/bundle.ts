import { here } from "./here.ts";

/**
 * True if a bundler has put this library into another file: two files that lie side by side in the
 * package do so nowhere else. webpack writes the paths of the sources into its bundles, which are
 * not told from the package.
 */
export function isBundled(): boolean {
  const url: string | undefined = import.meta.url; // none in CommonJS
  const sibling = url?.replace(/bundle\.(ts|js)$/, "here.$1");
  return sibling === undefined || sibling === url || here() !== sibling;
}
