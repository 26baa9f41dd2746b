import { createHash, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Access } from "../../dashboard/mod.ts";
import { errorMessage } from "../../platform/thrown.ts";
import { UsageError } from "../usage_error.ts";

/** Minimum of characters of a password. */
const MIN_LENGTH = 12;

/**
 * Reads a password from a file.
 *
 * @param path The file. Trailing line breaks are ignored.
 * @returns The password.
 * @throws {UsageError} If it cannot be read, or the password is too short.
 */
export function readPassword(path: string): string {
  let password: string;
  try {
    password = readFileSync(path, "utf8").replace(/[\r\n]+$/, "");
  } catch (error) {
    throw new UsageError(`Cannot read the password file ${path}: ${errorMessage(error)}`, {
      cause: error,
    });
  }
  if (password.length >= MIN_LENGTH) return password;
  throw new UsageError(
    `Cannot use the password of ${path}: it has ${password.length} characters, and must have at least ${MIN_LENGTH}`,
  );
}

/**
 * Makes an access check by HTTP Basic authentication. Any user name is accepted; it appears in the
 * log.
 *
 * @param password The password.
 * @returns The access check.
 */
export function passwordAccess(password: string): (request: Request) => Access | Response {
  const wanted = digest(password);
  return (request) => {
    const given = credentialsOf(request.headers.get("authorization"));
    // `timingSafeEqual` needs equal lengths, which digests have.
    if (given !== undefined && timingSafeEqual(digest(given.password), wanted)) {
      return { name: given.name || "operator", can: "operate" };
    }
    return new Response("A name and the password are needed\n", {
      status: 401,
      headers: {
        "www-authenticate": 'Basic realm="dramatiq", charset="UTF-8"',
        "content-type": "text/plain; charset=utf-8",
      },
    });
  };
}

function digest(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}

function credentialsOf(header: string | null): { name: string; password: string } | undefined {
  const [, encoded] = /^Basic\s+([A-Za-z0-9+/=]+)$/i.exec(header ?? "") ?? [];
  if (encoded === undefined) return undefined;
  let text: string;
  try {
    const bytes = Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
    text = new TextDecoder().decode(bytes);
  } catch {
    return undefined;
  }
  const colon = text.indexOf(":");
  return colon < 0 ? undefined : { name: text.slice(0, colon), password: text.slice(colon + 1) };
}
