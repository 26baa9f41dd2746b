/**
 * Stands in for `jsr:@std/assert` where JSR cannot be reached: the part of it that
 * the tests use, with the same signatures, over `node:assert/strict`.
 *
 * @module
 */
import assertStrict, { AssertionError } from "node:assert/strict";

// deno-lint-ignore no-explicit-any -- whatever the constructor takes
type ErrorClass<E extends Error> = new (...args: any[]) => E;
// deno-lint-ignore no-explicit-any -- any class
type AnyClass = new (...args: any[]) => any;

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
export function assertInstanceOf<T extends AnyClass>(
  actual: unknown,
  expectedType: T,
  msg?: string,
): asserts actual is InstanceType<T> {
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
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/** Makes sure that a function throws an error of a class, and gives it. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  errorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows(
  fn: () => unknown,
  classOrMsg?: ErrorClass<Error> | string,
  ...texts: (string | undefined)[]
): unknown {
  try {
    fn();
  } catch (error) {
    return checkError(error, classOrMsg, texts[0]);
  }
  throw new AssertionError({ message: failure("Expected function to throw", classOrMsg, texts) });
}

/** Makes sure that a promise rejects, and gives what it rejected with. */
export function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
/** Makes sure that a promise rejects with an error of a class, and gives it. */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  errorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects(
  fn: () => PromiseLike<unknown>,
  classOrMsg?: ErrorClass<Error> | string,
  ...texts: (string | undefined)[]
): Promise<unknown> {
  try {
    await fn();
  } catch (error) {
    return checkError(error, classOrMsg, texts[0]);
  }
  throw new AssertionError({ message: failure("Expected function to reject", classOrMsg, texts) });
}

/** Fails. */
export function fail(msg?: string): never {
  throw new AssertionError({ message: msg ?? "Failed assertion" });
}

function checkError(
  error: unknown,
  classOrMsg: ErrorClass<Error> | string | undefined,
  msgIncludes?: string,
): unknown {
  if (classOrMsg === undefined || typeof classOrMsg === "string") return error;
  assert(error instanceof Error, `Expected an Error, got ${error}`);
  const { name, message } = error;
  if (!(error instanceof classOrMsg)) {
    throw new AssertionError({
      message: `Expected a ${classOrMsg.name}, got ${name}: ${message}`,
      actual: error,
    });
  }
  if (msgIncludes !== undefined) assertStringIncludes(message, msgIncludes);
  return error;
}

function failure(
  what: string,
  classOrMsg: ErrorClass<Error> | string | undefined,
  [, msg]: readonly (string | undefined)[],
): string {
  const text = typeof classOrMsg === "string" ? classOrMsg : msg;
  return text === undefined ? what : `${what}: ${text}`;
}
