import type { LogRecord } from "@logtape/logtape";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { ConnectionClosed, ConnectionFailed } from "@dq/dramatiq";
import { textOf } from "../../support/log.ts";

/** Makes sure that an error is what brokers throw when a server is away, and says why. */
function assertOutage(error: unknown): asserts error is Error & { readonly cause: Error } {
  assert(
    error instanceof ConnectionClosed || error instanceof ConnectionFailed,
    `Expected the error of an outage, got ${error}`,
  );
  assert(error.cause instanceof Error, `"${error.message}" has no cause`);
}

/**
 * Waits for a `send` that the server may answer or not.
 *
 * @returns The error of the outage, `undefined` if it was stored.
 */
export async function outcomeOf(
  sending: Promise<unknown>,
): Promise<(Error & { cause: Error }) | undefined> {
  try {
    await sending;
    return undefined;
  } catch (error) {
    assertOutage(error);
    return error;
  }
}

/**
 * Makes sure that there are two lines: the start of an outage, and its end.
 *
 * @param lines What was logged.
 * @param server What people call the server.
 */
export function assertOneOutage(lines: readonly LogRecord[], server: string): void {
  assertEquals(lines.map(({ level }) => level), ["error", "warning"], lines.map(textOf).join("\n"));
  const [start, end] = lines;
  assert(textOf(start!).startsWith(`Lost connection to ${server}: `), textOf(start!));
  assert(start!.properties["error"] === undefined || start!.properties["error"] instanceof Error);
  assertMatch(textOf(end!), new RegExp(`^Reconnected to ${server} after \\d+\\.\\d s$`));
  assertEquals(typeof end!.properties["duration"], "number");
}
