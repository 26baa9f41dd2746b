/** @returns The URL of this file, which a bundle does not have; none in CommonJS. */
export function here(): string | undefined {
  return import.meta.url;
}
