import {
  BrokerConnectionError,
  ConnectionClosed,
  type ConnectionErrorOptions,
  type DeliveryState,
} from "./errors.ts";

/** Error for an operation on a closed broker: nothing was delivered. */
export function closedFor(purpose: string): ConnectionClosed {
  return new ConnectionClosed(`Cannot ${purpose}: the broker is closed`, { delivery: "none" });
}

/**
 * Error of a call that consisted of several requests. Its delivery is "none" only if no request was
 * stored, and none may have been.
 *
 * @param errors The errors of failed requests, in order; at least one.
 * @param isPartStored Whether another request was stored.
 * @returns The first error, with delivery "unknown" where needed.
 */
export function errorOfAll(errors: readonly unknown[], isPartStored: boolean): unknown {
  const [first] = errors;
  if (!(first instanceof BrokerConnectionError) || first.delivery === "unknown") return first;
  const mayHaveArrived = isPartStored || errors.some((one) => !isUndelivered(one));
  return mayHaveArrived ? withDelivery(first, "unknown") : first;
}

/**
 * Copies an error with another delivery state, for a caller that knows more about earlier attempts.
 *
 * @param error Any error; only connection errors have a delivery state.
 * @param delivery The delivery state.
 */
export function withDelivery<E>(error: E, delivery: DeliveryState): E {
  if (!(error instanceof BrokerConnectionError) || error.delivery === delivery) return error;
  const ErrorClass = error.constructor as new (
    message: string,
    options: ConnectionErrorOptions,
  ) => E;
  return new ErrorClass(error.message, { cause: error.cause, delivery });
}

/**
 * Waits until all requests of a call have ended.
 *
 * @param parts The requests; not empty.
 * @throws The error of {@linkcode errorOfAll}, if any request failed.
 */
export async function allStored(parts: readonly Promise<unknown>[]): Promise<void> {
  if (parts.length === 1) return void await parts[0];
  const outcomes = await Promise.allSettled(parts);
  const errors = outcomes.filter(({ status }) => status === "rejected")
    .map((one) => (one as PromiseRejectedResult).reason);
  if (errors.length > 0) throw errorOfAll(errors, errors.length < parts.length);
}

/** True if a request has stored nothing: it cannot have arrived, or was rejected. */
function isUndelivered(error: unknown): boolean {
  return !(error instanceof BrokerConnectionError) || error.delivery === "none";
}
