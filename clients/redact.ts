/**
 * Removes credentials from errors of client libraries and URLs of servers. All of them pass through here
 * before they reach errors and logs of this library.
 *
 * @module
 */
import { DramatiqError } from "../core/errors.ts";
import { isPackageError } from "../platform/missing_package.ts";

/** Replacement of a credential. */
const HIDDEN = "***";

/** A host, or text in its place, followed by a colon and text that is not a port. */
const NO_PORT =
  /^((?:\*{3}@)?(?:\[[\da-f:.]*\]|(?!\[[\da-f:.]*\])[^:/]*)):(?!\d{1,5}(?:\/|$))[^]+$/i;

/**
 * Formats a URL, or any value given in place of one, for an error.
 *
 * @param url The value.
 * @returns The text without parts that may be secret: those before the last @, after a ? or a #, and
 *   after a colon unless it is a port. If an @ follows a ? or a #, only the scheme.
 */
export function redactUrl(url: unknown): string {
  const given = String(url);
  // An @ after a ? ends the credentials, or belongs to a parameter: either side may be secret.
  if (/[?#][^]*@/.test(given)) {
    return `${/^[a-z][a-z0-9+.-]*:\/\//i.exec(given)?.[0] ?? ""}${HIDDEN}`;
  }
  const text = given
    .replace(/^([a-z][a-z0-9+.-]*:)?[^]*@/i, `$1//${HIDDEN}@`)
    .replace(/([?#])[^]*$/, `$1${HIDDEN}`);
  const scheme = /^(?:[a-z][a-z0-9+.-]*:)?\/\//i.exec(text)?.[0] ?? "";
  return scheme + text.slice(scheme.length).replace(NO_PORT, `$1:${HIDDEN}`);
}

/** Advice on characters that end a part of a URL. */
const ENCODED = `write "/", "?", "#" and "@" in a user name or password as %2F, %3F, %23 and %40`;

/**
 * Rejects a URL whose user name or password has probably an unescaped character, so that the rest of it
 * would be read as a path, a parameter or a fragment.
 *
 * @param parsed The parsed URL.
 * @param url The URL as it was given.
 * @throws {TypeError} If there is an @ after the host, or a fragment.
 */
export function assertWholeUrl(parsed: URL, url: string | URL): void {
  const { pathname, search, hash } = parsed;
  if (hash === "" && !/@/.test(pathname + search)) return;
  const what = hash === "" ? 'an "@"' : 'a "#"';
  throw new TypeError(
    `Cannot connect to "${redactUrl(url)}": there is ${what} behind the host; ${ENCODED}`,
  );
}

/**
 * Decodes a part of the URL of a server.
 *
 * @param text The part.
 * @param url The URL as it was given.
 * @throws {TypeError} If it is not percent-encoded.
 */
export function decodeUrlPart(text: string, url: string | URL): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    throw new TypeError(
      `Cannot connect to "${redactUrl(url)}": it is not percent-encoded; write a "%" in it as %25`,
      { cause: error },
    );
  }
}

/** Part of a Redis error for an unknown command that repeats its arguments, which may be those of AUTH. */
const REPEATED_ARGUMENTS = /(, with args beginning with:)[^\n]*/g;
/** Properties to keep from errors of sockets, TLS and AMQP. */
const KEPT: readonly string[] = [
  ...["code", "errno", "syscall", "address", "port", "hostname", "host", "library", "reason"],
  ...["classId", "methodId"],
];
/** Levels of causes that are copied, and of options that are searched. */
const MAX_DEPTH = 5;

/**
 * Copies an error of a client library without credentials: without the arguments of a command, and
 * without secrets that a server repeats.
 *
 * @param error Any thrown value.
 * @param secrets Passwords that were sent to the server.
 * @returns A new error with the name, message, stack, causes and socket properties of the error; an error
 *   of this library unchanged; a new `Error` with the text of any other value.
 */
export function redactError(error: unknown, secrets: readonly string[] = []): Error {
  if (error instanceof DramatiqError || isPackageError(error)) return error;
  return copy(error, (text) => hide(text, secrets), 0);
}

function hide(text: string, secrets: readonly string[]): string {
  const hidden = secrets.reduce((text, secret) => text.replaceAll(secret, HIDDEN), text);
  return hidden.replace(REPEATED_ARGUMENTS, `$1 ${HIDDEN}`);
}

/** Properties that clients add to errors besides `cause`. */
interface ClientError extends Error {
  readonly errors?: unknown;
  /** Last error of a node, if no node of a cluster could be used. */
  readonly lastNodeError?: unknown;
}

function copy(error: unknown, clean: (text: string) => string, depth: number): Error {
  if (!(error instanceof Error)) return new Error(clean(String(error)));
  const { message, name, stack, errors, lastNodeError } = error as ClientError;
  const cause = error.cause ?? lastNodeError;
  const options = cause === undefined || depth === MAX_DEPTH
    ? {}
    : { cause: copy(cause, clean, depth + 1) };
  const Class = error instanceof TypeError ? TypeError : Error;
  const safe = new Class(clean(message).trimEnd(), options); // Node's TLS errors end with a line break
  const define = (key: string, value: unknown, { enumerable = false } = {}) =>
    Object.defineProperty(safe, key, { value, enumerable, configurable: true, writable: true });
  if (safe.name !== name) define("name", name);
  if (typeof stack === "string") define("stack", clean(stack));
  if (Array.isArray(errors) && depth < MAX_DEPTH) {
    define("errors", errors.map((one) => copy(one, clean, depth + 1)));
  }
  for (const key of KEPT) {
    const value = (error as unknown as Record<string, unknown>)[key];
    if (typeof value === "string") define(key, clean(value), { enumerable: true });
    if (typeof value === "number") define(key, value, { enumerable: true });
  }
  return safe;
}

/**
 * Finds the secrets in the options of a client.
 *
 * @param options The options. Secrets are `passphrase`, and names that end in `password`, at any depth,
 *   and `username` if there is no password: a colon may have been left out.
 * @returns The secrets, without those that are too short, or equal to the user name, as guest's.
 */
export function secretsOf(options: unknown): readonly string[] {
  const secrets = new Set<string>();
  collect(options, secrets, 0);
  return [...secrets].sort((a, b) => b.length - a.length); // one may be part of another
}

const SECRET = /password$|^passphrase$/i;
/** Minimum length of a secret: hiding shorter ones would make texts unreadable. */
const MIN_LENGTH = 3;

function collect(options: unknown, secrets: Set<string>, depth: number): void {
  if (typeof options !== "object" || options === null || depth > MAX_DEPTH) return;
  if (ArrayBuffer.isView(options)) return;
  const { username, password } = options as { username?: unknown; password?: unknown };
  const add = (value: string) => {
    if (value.length < MIN_LENGTH) return;
    for (const form of [value, encodeURIComponent(value)]) secrets.add(form);
  };
  if (!password && typeof username === "string") add(username);
  for (const [name, value] of Object.entries(options)) {
    if (typeof value !== "string") collect(value, secrets, depth + 1);
    else if (value.includes("://")) collect(userOf(value), secrets, depth + 1);
    else if (SECRET.test(name) && value !== username) add(value);
  }
}

/** Parses the credentials of a URL: nodes of a cluster may be given as such. */
function userOf(url: string): { username: string; password: string } | undefined {
  const parsed = URL.parse(url);
  if (parsed === null) return undefined;
  const { username, password } = parsed;
  return { username: decodeURIComponent(username), password: decodeURIComponent(password) };
}
