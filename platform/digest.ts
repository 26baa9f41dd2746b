import { builtinModule } from "./runtime.ts";

/**
 * Hashes a text.
 *
 * @param algorithm How.
 * @param text What; its UTF-8 counts.
 * @returns Hexadecimal digits, in lower case.
 */
export function hexDigest(algorithm: "md5" | "sha1" | "sha256", text: string): string {
  return builtinModule("node:crypto").createHash(algorithm).update(text).digest("hex");
}
