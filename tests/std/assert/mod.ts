/**
 * Stands in for `jsr:@std/assert` where JSR cannot be reached: the part of it that
 * the tests use, with the same signatures, over `node:assert/strict`.
 *
 * @module
 */
import assertStrict, { AssertionError } from "node:assert/strict";

export { AssertionError };

// deno-lint-ignore no-explicit-any -- whatever the constructor takes
type ErrorClass<E extends Error> = abstract new (...args: any[]) => E;

/** Makes sure that `expr` is truthy. */
export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) throw new AssertionError({ message: msg, actual: expr, expected: true });
}

// The `!` below: Node's own types know no message that is `undefined`; Node does.

/** Makes sure that two values are deeply equal. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  assertStrict.deepEqual(actual, expected, msg!);
}

/** Makes sure that two values are not deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  assertStrict.notDeepEqual(actual, expected, msg!);
}

/** Makes sure that two values are the same one. */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T {
  assertStrict.equal(actual, expected, msg!);
}

/** Makes sure that two values are not the same one. */
export function assertNotStrictEquals<T>(actual: T, expected: T, msg?: string): void {
  assertStrict.notEqual(actual, expected, msg!);
}

/** Makes sure that a value is an instance of a class. */
export function assertInstanceOf<T>(
  actual: unknown,
  // deno-lint-ignore no-explicit-any -- whatever the constructor takes
  expectedType: abstract new (...args: any[]) => T,
  msg?: string,
): asserts actual is T {
  assert(actual instanceof expectedType, msg ?? `Expected a ${expectedType.name}, got ${actual}`);
}

/** Makes sure that a text contains another. */
export function assertStringIncludes(actual: string, expected: string, msg?: string): void {
  assert(
    actual.includes(expected),
    msg ?? `Expected ${JSON.stringify(actual)} to contain ${JSON.stringify(expected)}`,
  );
}

/** Makes sure that a text matches. */
export function assertMatch(actual: string, expected: RegExp, msg?: string): void {
  assertStrict.match(actual, expected, msg!);
}

/** Makes sure that a number is greater. */
export function assertGreater<T>(actual: T, expected: T, msg?: string): void {
  assert(actual > expected, msg ?? `Expected ${actual} > ${expected}`);
}

/** Makes sure that a number is greater or equal. */
export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string): void {
  assert(actual >= expected, msg ?? `Expected ${actual} >= ${expected}`);
}

/** Makes sure that a number is less. */
export function assertLess<T>(actual: T, expected: T, msg?: string): void {
  assert(actual < expected, msg ?? `Expected ${actual} < ${expected}`);
}

/** Makes sure that a number is less or equal. */
export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void {
  assert(actual <= expected, msg ?? `Expected ${actual} <= ${expected}`);
}

/** Makes sure that a function throws, and gives what it threw. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  errorClass?: ErrorClass<E>,
  msgIncludes?: string,
): E {
  try {
    fn();
  } catch (error) {
    return checkError(error, errorClass, msgIncludes);
  }
  throw new AssertionError({ message: "Expected function to throw" });
}

/** Makes sure that a promise rejects, and gives what it rejected with. */
export async function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  errorClass?: ErrorClass<E>,
  msgIncludes?: string,
): Promise<E> {
  try {
    await fn();
  } catch (error) {
    return checkError(error, errorClass, msgIncludes);
  }
  throw new AssertionError({ message: "Expected function to reject" });
}

/** Fails. */
export function fail(msg?: string): never {
  throw new AssertionError({ message: msg ?? "Failed assertion" });
}

function checkError<E extends Error>(
  error: unknown,
  errorClass: ErrorClass<E> | undefined,
  msgIncludes: string | undefined,
): E {
  assert(error instanceof Error, `Expected an Error, got ${error}`);
  if (errorClass !== undefined && !(error instanceof errorClass)) {
    throw new AssertionError({
      message: `Expected a ${errorClass.name}, got ${error.name}: ${error.message}`,
      actual: error,
    });
  }
  if (msgIncludes !== undefined) assertStringIncludes(error.message, msgIncludes);
  return error as E;
}
