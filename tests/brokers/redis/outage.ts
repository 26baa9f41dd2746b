import { assert } from "@std/assert";
import { ConnectionClosed, ConnectionFailed } from "@dq/dramatiq";

/** Makes sure that an error is what brokers throw when a server is away, and says why. */
export function assertOutage(error: unknown): asserts error is Error & { readonly cause: Error } {
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
