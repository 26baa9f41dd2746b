import { builtinModule } from "./runtime.ts";

/**
 * Hashes a text.
 *
 * @param algorithm The hash function.
 * @param text The text; its UTF-8 bytes are hashed.
 * @returns Lowercase hexadecimal digits.
 */
export function hexDigest(algorithm: "md5" | "sha1" | "sha256", text: string): string {
  const { createHash, hash } = builtinModule("node:crypto");
  // `hash` takes 0.6 µs instead of 1 µs on Node and Bun, and the same on Deno.
  return hash === undefined
    ? createHash(algorithm).update(text).digest("hex")
    : hash(algorithm, text);
}
