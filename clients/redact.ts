/**
 * The one door through which errors of client libraries and URLs of servers reach errors and logs
 * of this library: neither shows a credential.
 *
 * @module
 */
import { DramatiqError } from "../core/errors.ts";

/** Replacement of a credential. */
const HIDDEN = "***";

/** A host, or what could be one, and what follows a colon behind it and is not a port. */
const NO_PORT =
  /^((?:\*{3}@)?(?:\[[\da-f:.]*\]|(?!\[[\da-f:.]*\])[^:/]*)):(?!\d{1,5}(?:\/|$))[^]+$/i;

/**
 * Formats a URL, or what was given in place of one, for an error.
 *
 * @param url Any text.
 * @returns It without what may be a secret: all that stands before the last @, what follows a ?
 *   or a #, and what follows a colon and is not a port; of one with an @ behind those, the scheme.
 */
export function redactUrl(url: unknown): string {
  const given = String(url);
  // An @ behind a ? ends the user's part, or belongs to a parameter: either side may be a secret.
  if (/[?#][^]*@/.test(given)) {
    return `${/^[a-z][a-z0-9+.-]*:\/\//i.exec(given)?.[0] ?? ""}${HIDDEN}`;
  }
  const text = given
    .replace(/^([a-z][a-z0-9+.-]*:)?[^]*@/i, `$1//${HIDDEN}@`)
    .replace(/([?#])[^]*$/, `$1${HIDDEN}`);
  const scheme = /^(?:[a-z][a-z0-9+.-]*:)?\/\//i.exec(text)?.[0] ?? "";
  return scheme + text.slice(scheme.length).replace(NO_PORT, `$1:${HIDDEN}`);
}

/** Characters that end the part of a URL in which they stand. */
const ENCODED = `write "/", "?", "#" and "@" in a user name or password as %2F, %3F, %23 and %40`;

/**
 * Refuses the URL of a server whose user name or password was probably cut off by a character of
 * its own, so that the rest of it would be taken for a path, a parameter or a fragment.
 *
 * @param parsed The URL.
 * @param url What the user gave.
 * @throws {TypeError} If there is an @ behind the host, or a fragment.
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
 * @param url What the user gave.
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

/** Part of Redis errors that repeats the arguments, when it does not know a command, AUTH and HELLO among them. */
const REPEATED_ARGUMENTS = /(, with args beginning with:)[^\n]*/g;
/** Properties of the errors of sockets, TLS and AMQP that say what happened. */
const KEPT: readonly string[] = [
  ...["code", "errno", "syscall", "address", "port", "hostname", "host", "library", "reason"],
  ...["classId", "methodId"],
];
/** Levels of causes that are copied, and of options that are searched. */
const MAX_DEPTH = 5;

/**
 * Copies an error of a client library without what it knows about credentials: the arguments of
 * a command, the secrets themselves wherever a server repeats them.
 *
 * @param error Anything that a `catch` clause may get.
 * @param secrets Passwords that were sent to the server.
 * @returns A new error of the same name with the message, the stack, the cause, and what a socket
 *   says; the same error, if it is one of this library; otherwise a text.
 */
export function redactError(error: unknown, secrets: readonly string[] = []): Error {
  if (error instanceof DramatiqError) return error;
  return copy(error, (text) => hide(text, secrets), 0);
}

function hide(text: string, secrets: readonly string[]): string {
  const hidden = secrets.reduce((text, secret) => text.replaceAll(secret, HIDDEN), text);
  return hidden.replace(REPEATED_ARGUMENTS, `$1 ${HIDDEN}`);
}

/** Properties that clients add to errors besides `cause`. */
interface ClientError extends Error {
  readonly errors?: unknown;
  /** Why no node of a cluster did. */
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
  const safe = new Class(clean(message), options);
  const define = (key: string, value: unknown, enumerable = false) =>
    Object.defineProperty(safe, key, { value, enumerable, configurable: true, writable: true });
  if (safe.name !== name) define("name", name);
  if (typeof stack === "string") define("stack", clean(stack));
  if (Array.isArray(errors) && depth < MAX_DEPTH) {
    define("errors", errors.map((one) => copy(one, clean, depth + 1)));
  }
  for (const key of KEPT) {
    const value = (error as unknown as Record<string, unknown>)[key];
    if (typeof value === "string") define(key, clean(value), true);
    if (typeof value === "number") define(key, value, true);
  }
  return safe;
}

/**
 * The secrets among what a client is given, as they are to be kept out of texts.
 *
 * @param options What the client is given: `password` and what else is named so, `passphrase`, at
 *   whatever depth. Without a password, `username` is taken for one: somebody left out a colon.
 * @returns The secrets; not those that are too short, or no secret, such as that of guest.
 */
export function secretsOf(options: unknown): readonly string[] {
  const secrets = new Set<string>();
  collect(options, secrets, 0);
  return [...secrets].sort((a, b) => b.length - a.length); // one may be part of another
}

const SECRET = /password$|^passphrase$/i;
/** Characters: to hide shorter ones would make texts unreadable, and hide nothing. */
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

/** Nodes of a cluster may be given as URLs. */
function userOf(url: string): { username: string; password: string } | undefined {
  const parsed = URL.parse(url);
  if (parsed === null) return undefined;
  const { username, password } = parsed;
  return { username: decodeURIComponent(username), password: decodeURIComponent(password) };
}
