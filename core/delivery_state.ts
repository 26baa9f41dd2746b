import {
  BrokerConnectionError,
  ConnectionClosed,
  type ConnectionErrorOptions,
  type DeliveryState,
} from "./errors.ts";

/** Error for an operation on a broker that is closed: nothing of it was delivered. */
export function closedFor(purpose: string): ConnectionClosed {
  return new ConnectionClosed(`Cannot ${purpose}: the broker is closed`, { delivery: "none" });
}

/**
 * The error of a call whose parts have ended one by one. That no part of it was delivered can
 * only be said if no other part was stored, and none may have been.
 *
 * @param errors The errors of the parts that failed, the first one first; at least one.
 * @param isPartStored Whether another part is stored.
 * @returns What the call fails with: its first error, or that error as one of unknown delivery.
 */
export function errorOfAll(errors: readonly unknown[], isPartStored: boolean): unknown {
  const [first] = errors;
  if (!(first instanceof BrokerConnectionError) || first.delivery === "unknown") return first;
  const mayHaveArrived = isPartStored || errors.some((one) => !isUndelivered(one));
  return mayHaveArrived ? withDelivery(first, "unknown") : first;
}

/**
 * The same error with another state of delivery: the code that raised it could not know what was
 * written before.
 *
 * @param error Any error; only those of connections have a state of delivery.
 * @param delivery What is known of the request.
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
 * Resolves when all parts of a call are stored, and fails when all have ended otherwise.
 *
 * @param parts What is stored; not empty.
 * @throws What {@linkcode errorOfAll} makes of their errors.
 */
export async function allStored(parts: readonly Promise<unknown>[]): Promise<void> {
  if (parts.length === 1) return void await parts[0];
  const outcomes = await Promise.allSettled(parts);
  const errors = outcomes.filter(({ status }) => status === "rejected")
    .map((one) => (one as PromiseRejectedResult).reason);
  if (errors.length > 0) throw errorOfAll(errors, errors.length < parts.length);
}

/** True if nothing of a request can have arrived. A rejected one has arrived, and left nothing. */
function isUndelivered(error: unknown): boolean {
  return !(error instanceof BrokerConnectionError) || error.delivery === "none";
}
