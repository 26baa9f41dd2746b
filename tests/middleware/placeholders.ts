/**
 * Compares what happened with a capture in which volatile values were replaced.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";

/** Ids: each placeholder stands for one value, and each value has one placeholder. */
const ID = /^<(?:msg|group|uuid):\d+>$/;

/** The placeholders of one scenario, and what they stand for. */
export class Placeholders {
  readonly #values: Map<string, unknown> = new Map();
  readonly #names: Map<unknown, string> = new Map();

  /**
   * Makes sure that a value is what the capture shows, keys in the same order.
   *
   * @param actual What happened.
   * @param expected The capture.
   * @param path Where in the scenario, for the error text.
   */
  assertMatch(actual: unknown, expected: unknown, path: string): void {
    if (typeof expected === "string" && /^<.*>$/.test(expected)) {
      this.#assertStandsFor(expected, actual, path);
    } else if (typeof expected === "object" && expected !== null) {
      assert(typeof actual === "object" && actual !== null, `${path} is ${actual}`);
      assertEquals(Object.keys(actual), Object.keys(expected), `keys of ${path}`);
      assertEquals(Array.isArray(actual), Array.isArray(expected), `kind of ${path}`);
      for (const [key, value] of Object.entries(expected)) {
        this.assertMatch((actual as Record<string, unknown>)[key], value, `${path}.${key}`);
      }
    } else {
      assertEquals(actual, expected, path);
    }
  }

  #assertStandsFor(name: string, value: unknown, path: string): void {
    if (name === "<ts>" || name === "<delay>") {
      assert(Number.isSafeInteger(value), `${path} is ${value}, not a number of ms`);
    } else if (name === "<traceback text>") {
      assert(typeof value === "string" && /[^\n]\n$/.test(value), `${path} is no traceback`);
    } else {
      assert(ID.test(name), `${path}: unknown placeholder ${name}`);
      assertEquals(this.#values.get(name) ?? value, value, `${path}: ${name} was another one`);
      assertEquals(this.#names.get(value) ?? name, name, `${path}: ${value} was another one`);
      this.#values.set(name, value);
      this.#names.set(value, name);
    }
  }
}
