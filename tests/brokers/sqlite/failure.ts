import { assert } from "@std/assert";
import { type BrokerConnectionError, ConnectionClosed, ConnectionFailed } from "@dq/dramatiq";

/** The error of a connection with which something fails. */
export async function failure(promise: Promise<unknown>): Promise<BrokerConnectionError> {
  let error: unknown;
  await promise.catch((reason) => error = reason);
  assert(error instanceof ConnectionFailed || error instanceof ConnectionClosed, `${error}`);
  return error;
}
