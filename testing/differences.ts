import { shorten } from "../platform/thrown.ts";

/** Characters of a value in a text. */
const MAX_VALUE = 80;

/** Expectation of other test frameworks, such as `expect.any(String)`. */
interface AsymmetricMatcher {
  asymmetricMatch(value: unknown): boolean;
}

/**
 * Compares a value with an expected one, all the way down.
 *
 * In place of a part a function may stand, which tells whether it accepts the part, or a matcher such
 * as `expect.any(String)`. A member that is `undefined` is the same as none, as in JSON.
 *
 * @param actual The value.
 * @param expected The expected one.
 * @param path Names the value in texts.
 * @returns Texts, one for each difference.
 */
export function differencesOf(actual: unknown, expected: unknown, path: string): string[] {
  if (typeof expected === "function") {
    return expected(actual) === true ? [] : [`${path} is ${show(actual)}, which was not accepted`];
  }
  if (isMatcher(expected)) {
    if (expected.asymmetricMatch(actual)) return [];
    return [`${path} is ${show(actual)}, not ${String(expected)}`];
  }
  if (Object.is(actual, expected) || (actual === 0 && expected === 0)) return [];
  if (Array.isArray(actual) && Array.isArray(expected)) {
    return listDifferences(actual, expected, path);
  }
  if (isRecord(actual) && isRecord(expected)) return memberDifferences(actual, expected, path);
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

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isMatcher(value: unknown): value is AsymmetricMatcher {
  return isRecord(value) && typeof value["asymmetricMatch"] === "function";
}

/** A value, in a text. */
export function show(value: unknown): string {
  if (typeof value === "function") return `a value that ${value.name || "a function"} accepts`;
  if (isMatcher(value)) return String(value);
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  try {
    return shorten(JSON.stringify(value) ?? String(value), MAX_VALUE);
  } catch {
    return shorten(String(value), MAX_VALUE); // a cycle
  }
}
