import { builtinModule } from "./runtime.ts";

/**
 * Hashes a text.
 *
 * @param algorithm How.
 * @param text What; its UTF-8 counts.
 * @returns Hexadecimal digits, in lower case.
 */
export function hexDigest(algorithm: "md5" | "sha1" | "sha256", text: string): string {
  const { createHash, hash } = builtinModule("node:crypto");
  // In one step it takes 0.6 µs instead of 1 on Node and Bun, and the same on Deno.
  return hash === undefined
    ? createHash(algorithm).update(text).digest("hex")
    : hash(algorithm, text);
}
