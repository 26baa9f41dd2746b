import { here } from "./here.ts";

/**
 * True if a bundler has put this library into another file: then this module and `here.ts` no
 * longer have sibling URLs. Bundles of webpack are not recognized: they keep the URLs of the source
 * files.
 */
export function isBundled(): boolean {
  const url: string | undefined = import.meta.url; // none in CommonJS
  const sibling = url?.replace(/bundle\.(ts|js)$/, "here.$1");
  return sibling === undefined || sibling === url || here() !== sibling;
}
