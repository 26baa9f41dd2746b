/** @returns The URL of this module, for `isBundled`; `undefined` in CommonJS. */
export function here(): string | undefined {
  return import.meta.url;
}
