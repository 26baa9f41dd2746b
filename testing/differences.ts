import { shorten } from "../platform/thrown.ts";

/** Maximum of characters of a value in an error. */
const MAX_VALUE = 80;

/** Asymmetric matcher of another test framework, such as `expect.any(String)`. */
type Matcher =
  | { asymmetricMatch(value: unknown): boolean }
  /** Of `@std/expect`, recognized by its base class `AsymmetricMatcher`. */
  | { equals(value: unknown): boolean };

/**
 * Compares a value deeply with an expected one.
 *
 * Any part of the expected value may be a function that returns true for accepted values, or a
 * matcher such as `expect.any(String)`. A member that is `undefined` equals a missing one, as in
 * JSON. Arrays, plain objects, and the classes that `PickleEncoder` reads are compared by content;
 * objects of other classes never match.
 *
 * @param actual The value.
 * @param expected The expected value.
 * @param path Name of the value in the results.
 * @returns Descriptions of the differences.
 * @throws {TypeError} If a matcher works in its own framework only.
 */
export function differencesOf(actual: unknown, expected: unknown, path: string): string[] {
  if (typeof expected === "function") {
    return expected(actual) === true ? [] : [`${path} is ${show(actual)}, which was not accepted`];
  }
  if (isMatcher(expected)) {
    const accepts = "asymmetricMatch" in expected
      ? expected.asymmetricMatch(actual)
      : expected.equals(actual);
    return accepts ? [] : [`${path} is ${show(actual)}, not ${show(expected)}`];
  }
  assertComparable(expected, path);
  if (Object.is(actual, expected) || (actual === 0 && expected === 0)) return [];
  if (Array.isArray(actual) && Array.isArray(expected)) {
    return listDifferences(actual, expected, path);
  }
  if (isRecord(actual) && isRecord(expected)) return memberDifferences(actual, expected, path);
  const [content, wanted] = [contentOf(actual), contentOf(expected)];
  if (content !== undefined && wanted !== undefined && classOf(actual) === classOf(expected)) {
    if (listDifferences(content, wanted, path).length === 0) return [];
  }
  return [`${path} is ${show(actual)}, not ${show(expected)}`];
}

function listDifferences(
  actual: readonly unknown[],
  expected: readonly unknown[],
  path: string,
): string[] {
  const length = Math.max(actual.length, expected.length);
  return Array.from({ length }, (_, i) => {
    if (i >= actual.length) return [`${path}[${i}] is missing: ${show(expected[i])}`];
    if (i >= expected.length) return [`${path}[${i}] is one too many: ${show(actual[i])}`];
    return differencesOf(actual[i], expected[i], `${path}[${i}]`);
  }).flat();
}

function memberDifferences(
  actual: Readonly<Record<string, unknown>>,
  expected: Readonly<Record<string, unknown>>,
  path: string,
): string[] {
  const names = new Set([...Object.keys(expected), ...Object.keys(actual)]);
  return [...names].flatMap((name) => {
    const place = `${path}.${name}`;
    if (expected[name] === undefined && actual[name] === undefined) return [];
    if (!Object.hasOwn(actual, name) && typeof expected[name] !== "function") {
      return [`${place} is missing: ${show(expected[name])}`];
    }
    if (expected[name] === undefined) return [`${place} is one too many: ${show(actual[name])}`];
    return differencesOf(actual[name], expected[name], place);
  });
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** True for a plain object, also one of another realm: some test frameworks use `vm` contexts. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  if (!isObject(value) || Object.prototype.toString.call(value) !== "[object Object]") return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** Content of a value of a class that `PickleEncoder` reads, for comparison. */
function contentOf(value: unknown): readonly unknown[] | undefined {
  if (value instanceof Date) return [value.getTime()];
  if (value instanceof Uint8Array || value instanceof Set) return [...value];
  return value instanceof Map ? [...value] : undefined;
}

function classOf(value: unknown): string {
  const { constructor } = value as { constructor?: { name?: unknown } };
  const name = constructor?.name;
  return typeof name === "string" && name !== "" ? name : "an object without a class";
}

/** True for a function or a matcher. */
export function mayAccept(value: unknown): boolean {
  return typeof value === "function" || isMatcher(value);
}

function isMatcher(value: unknown): value is Matcher {
  if (!isObject(value)) return false;
  if ("asymmetricMatch" in value) return typeof value.asymmetricMatch === "function";
  if (!("equals" in value) || typeof value.equals !== "function") return false;
  for (let one = value; one !== null; one = Object.getPrototypeOf(one)) {
    if (classOf(one) === "AsymmetricMatcher") return true;
  }
  return false;
}

/** Refuses the matchers of `bun:test`: they are opaque objects that only its `expect` can apply. */
function assertComparable(value: unknown, path: string): void {
  const tag = Object.prototype.toString.call(value).slice("[object ".length, -1);
  if (!isObject(value) || !/^Expect[A-Z]/.test(tag)) return;
  throw new TypeError(
    `Cannot compare ${path} with a matcher of bun:test (${tag}): ` +
      "it can only be used within expect(); put a function in its place, which returns true",
  );
}

/** A value as text, for errors. */
export function show(value: unknown): string {
  if (typeof value === "function") return `a value that ${value.name || "a function"} accepts`;
  return shorten(write(value, []), MAX_VALUE);
}

/** Writes a value like JSON; values that JSON does not support with their class. */
function write(value: unknown, within: readonly object[]): string {
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "string") return JSON.stringify(value);
  if (!isObject(value)) return String(value);
  if (isMatcher(value)) {
    const text = String(value);
    return text === "[object Object]" ? classOf(value) : text;
  }
  if (within.includes(value)) return "[the same again]";
  const path = [...within, value];
  const list = (items: readonly unknown[]) => items.map((one) => write(one, path)).join(",");
  if (Array.isArray(value)) return `[${list(value)}]`;
  if (isRecord(value)) {
    const members = Object.entries(value).filter(([, member]) => member !== undefined);
    return `{${
      members.map(([name, member]) => `${JSON.stringify(name)}:${write(member, path)}`).join(",")
    }}`;
  }
  if (value instanceof Date) {
    return `Date(${Number.isNaN(value.getTime()) ? "invalid" : value.toISOString()})`;
  }
  if (value instanceof RegExp || value instanceof Error) return `${classOf(value)}(${value})`;
  const content = contentOf(value);
  return content === undefined ? classOf(value) : `${classOf(value)}(${list(content)})`;
}
